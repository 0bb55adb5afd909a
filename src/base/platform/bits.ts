// The form of random keys, one-time tokens and SHA-256 hashes in texts.
const BITS_256 = /^[A-Za-z0-9_-]{43}$/;

/** Whether a text has the form of 256 bits in base64url without padding (RFC 4648 §5). */
export function is256Bits(text: string): boolean {
  return BITS_256.test(text);
}
