// E-mail addresses: made canonical once, then validated, then compared. What was typed is kept for sending.
import { domainToASCII } from 'node:url';

const EMAIL_BYTES_MAX = 320;
// The HTML standard's valid e-mail address, with a dot in the domain: exactly one recipient, no quoting, no routes.
const ADDRESS =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/;

export interface EmailAddress {
  /** As typed, without the blanks around it. */
  readonly address: string;
  /** For comparing: NFKC, lower case, the domain in ASCII (RFC 5891). */
  readonly key: string;
}

/** Takes an address as a person types it; null when it is not exactly one address. */
export function parseEmail(typed: string): EmailAddress | null {
  const address = typed.normalize('NFC').replace(/^ +| +$/g, '');
  const at = address.lastIndexOf('@');
  if (at < 1 || !address.isWellFormed()) return null;
  const domain = domainToASCII(address.slice(at + 1));
  const key = `${address.slice(0, at).normalize('NFKC').toLowerCase()}@${domain.toLowerCase()}`;
  const local = key.slice(0, key.lastIndexOf('@'));
  if (!ADDRESS.test(key) || local.includes('..') || local.startsWith('.') || local.endsWith('.')) return null;
  return Buffer.byteLength(address) <= EMAIL_BYTES_MAX && key.length <= EMAIL_BYTES_MAX ? { address, key } : null;
}
