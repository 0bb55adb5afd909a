// E-mail addresses: made canonical once, then validated, then compared. What was typed is kept for sending.
import { createHash } from 'node:crypto';
import { domainToASCII } from 'node:url';

const EMAIL_BYTES_MAX = 320;
// Checked before domainToASCII, which parses the host of a URL: it drops line breaks and stops at a slash.
const DOMAIN = /^[\p{L}\p{N}\p{M}.。．｡-]+$/u;
const LOCAL = /^[\x21-\x7e]+$/;
// The HTML standard's valid e-mail address, with a dot in the domain: exactly one recipient, no quoting, no routes.
const ADDRESS =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/;

export interface EmailAddress {
  /** As typed, without the blanks around it. */
  readonly address: string;
  /** For comparing: lower case, the domain in ASCII (RFC 5891). Nobody else's mailbox has the same one. */
  readonly key: string;
}

/** Takes an address as a person types it; null when it is not exactly one address. */
export function parseEmail(typed: string): EmailAddress | null {
  const address = typed.normalize('NFC').replace(/^ +| +$/g, '');
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, Math.max(at, 0)), address.slice(at + 1)];
  // A local part in other letters is another mailbox, however much it looks like one in ASCII.
  if (!LOCAL.test(local) || !DOMAIN.test(domain)) return null;
  const key = `${local}@${domainToASCII(domain)}`.toLowerCase();
  if (!ADDRESS.test(key) || /\.\d+$/.test(key)) return null; // a last label of digits is an IP address
  if (local.includes('..') || local.startsWith('.') || local.endsWith('.')) return null;
  if (local.includes('=?')) return null; // a mail program would decode it into another address (RFC 2047 §2)
  return Buffer.byteLength(address) <= EMAIL_BYTES_MAX && key.length <= EMAIL_BYTES_MAX ? { address, key } : null;
}

/**
 * What attempts to sign in with a typed text are counted by: the key of an address, and for any other text a digest of
 * it, which is short and the same however the text is spelt.
 */
export function countingKey(typed: string): string {
  const email = parseEmail(typed);
  if (email) return email.key;
  const spelling = typed.normalize('NFKC').trim().toLowerCase();
  return createHash('sha256').update(spelling).digest('base64url');
}
