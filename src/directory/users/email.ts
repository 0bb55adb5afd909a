// E-mail addresses: parsing, validation, and the canonical form by which they are compared. Mail is sent to the address
// as it was typed.
import { createHash } from 'node:crypto';
import { domainToASCII } from 'node:url';

const EMAIL_BYTES_MAX = 320;
// Checked before domainToASCII, which parses its input as a URL host: it drops line breaks and stops at a slash.
const DOMAIN = /^[\p{L}\p{N}\p{M}.。．｡-]+$/u;
const LOCAL = /^[\x21-\x7e]+$/;
// The HTML standard's valid e-mail address, with at least one dot in the domain: one recipient, no quoting, no routes.
const ADDRESS =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/;

export interface EmailAddress {
  /** As typed, without spaces around it. */
  readonly address: string;
  /** For comparing: lower case, the domain in ASCII (RFC 5891). Two mailboxes of different people never share a key. */
  readonly key: string;
}

/** Parses an address as a person types it. Returns null unless the text is exactly one address. */
export function parseEmail(typed: string): EmailAddress | null {
  const address = typed.normalize('NFC').replace(/^ +| +$/g, '');
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, Math.max(at, 0)), address.slice(at + 1)];
  // A local part in non-ASCII letters is a different mailbox, even when it looks like an ASCII one.
  if (!LOCAL.test(local) || !DOMAIN.test(domain)) return null;
  const key = `${local}@${domainToASCII(domain)}`.toLowerCase();
  if (!ADDRESS.test(key) || /\.\d+$/.test(key)) return null; // a last label of digits is an IP address
  if (local.includes('..') || local.startsWith('.') || local.endsWith('.')) return null;
  if (local.includes('=?')) return null; // a mail program would decode it into another address (RFC 2047 §2)
  return Buffer.byteLength(address) <= EMAIL_BYTES_MAX && key.length <= EMAIL_BYTES_MAX ? { address, key } : null;
}

/**
 * The key under which sign-in attempts with a typed text are counted. For an address it is the address's key. For any
 * other text it is a digest, which is short and does not depend on case, Unicode form or spaces around the text.
 */
export function countingKey(typed: string): string {
  const email = parseEmail(typed);
  if (email) return email.key;
  const spelling = typed.normalize('NFKC').trim().toLowerCase();
  return createHash('sha256').update(spelling).digest('base64url');
}
