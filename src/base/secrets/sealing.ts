// Seals a text so that only a holder of the data key can read it (AES-256-GCM, NIST SP 800-38D). The sealed bytes are
// `key id (4) ‖ nonce (12) ‖ ciphertext ‖ tag (16)`. The place of the value is authenticated with the ciphertext, so
// that a value that was moved to another row or column does not open. The files of the keys belong to
// credentials/data-keys.
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';
import type { Random } from '../platform/random.ts';

const CIPHER = 'aes-256-gcm';
const KEY_ID_BYTES = 4;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEAD_BYTES = KEY_ID_BYTES + NONCE_BYTES;

/** A key that seals and opens. */
export interface DataKey {
  /** The first four bytes of the RFC 7638 thumbprint, in hexadecimal digits. */
  readonly id: string;
  /** 256 bits. */
  readonly secret: KeyObject;
}

/** A value was sealed with a key that this process does not have. Nothing is known about the value. */
export class DataKeyMissing extends Error {
  override readonly name = 'DataKeyMissing';
}

/** Sealed bytes do not open: they were changed, cut, or moved to another place. The message names the place. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

/** Seals the text for one place, such as `users.email:` and the id of the row. */
export function seal(key: DataKey, place: string, text: string, random: Random): Buffer {
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, key.secret, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place));
  const id = Buffer.from(key.id, 'hex');
  return Buffer.concat([id, nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

/** The id of the key that sealed these bytes. Raises SealBroken if there are too few bytes for a seal. */
export function keyIdOf(sealed: Buffer, place: string): string {
  if (sealed.length < HEAD_BYTES + TAG_BYTES) throw new SealBroken(`The sealed value of ${place} is cut off`);
  return sealed.toString('hex', 0, KEY_ID_BYTES);
}

/**
 * Opens what `seal` has sealed for the same place. Raises DataKeyMissing when another key has sealed the bytes, and
 * SealBroken when anything else differs.
 */
export function unseal(key: DataKey, place: string, sealed: Buffer): string {
  if (keyIdOf(sealed, place) !== key.id) throw new DataKeyMissing(`The key ${key.id} has not sealed ${place}`);
  const nonce = sealed.subarray(KEY_ID_BYTES, HEAD_BYTES);
  const decipher = createDecipheriv(CIPHER, key.secret, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(place)).setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    const opened = decipher.update(sealed.subarray(HEAD_BYTES, -TAG_BYTES));
    return Buffer.concat([opened, decipher.final()]).toString('utf8');
  } catch {
    // The error of OpenSSL says no more than this.
    throw new SealBroken(`The sealed value of ${place} does not open`);
  }
}
