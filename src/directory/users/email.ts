// E-mail addresses: their parsing, their validation, and the canonical form by which two addresses are compared. Mails
// are sent to the address as it was typed.
import { createHash } from 'node:crypto';
import { domainToASCII } from 'node:url';

const EMAIL_BYTES_MAX = 320;
// This check runs before domainToASCII, because domainToASCII parses its input as the host of a URL: it drops line
// breaks and stops at a slash.
const DOMAIN = /^[\p{L}\p{N}\p{M}.。．｡-]+$/u;
const LOCAL = /^[\x21-\x7e]+$/;
// A valid e-mail address of the HTML standard, with at least one dot in the domain. It has one recipient, no quoted
// part and no route.
const ADDRESS =
  /^[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)+$/;

export interface EmailAddress {
  /** The address as it was typed, without spaces around it. */
  readonly address: string;
  /**
   * The form to compare: in lower case, with the domain in ASCII (RFC 5891). Two addresses that differ only in case
   * count as one mailbox, as they do for nearly all mail servers.
   */
  readonly key: string;
}

/** Parses an address as a person types it. Returns null when the text is not exactly one address. */
export function parseEmail(typed: string): EmailAddress | null {
  const address = typed.normalize('NFC').replace(/^ +| +$/g, '');
  const at = address.lastIndexOf('@');
  const [local, domain] = [address.slice(0, Math.max(at, 0)), address.slice(at + 1)];
  // A local part with letters outside ASCII is a different mailbox, even when it looks like a local part in ASCII.
  if (!LOCAL.test(local) || !DOMAIN.test(domain)) return null;
  const key = `${local}@${domainToASCII(domain)}`.toLowerCase();
  if (!ADDRESS.test(key) || /\.\d+$/.test(key)) return null; // a last label of digits is an IP address
  if (local.includes('..') || local.startsWith('.') || local.endsWith('.')) return null;
  if (local.includes('=?')) return null; // a mail program would decode it into another address (RFC 2047 §2)
  return Buffer.byteLength(address) <= EMAIL_BYTES_MAX && key.length <= EMAIL_BYTES_MAX ? { address, key } : null;
}

/**
 * The key under which sign-in attempts are counted. For an address, it is the address's key. For any other text, it is
 * a digest of the text. The digest is short, and does not depend on case, Unicode form or spaces around the text.
 */
export function countingKey(typed: string): string {
  const email = parseEmail(typed);
  if (email) return email.key;
  const spelling = typed.normalize('NFKC').trim().toLowerCase();
  return createHash('sha256').update(spelling).digest('base64url');
}

/** The part of an address before the @. It serves as the name of an account whose owner has given no name. */
export function localPartOf(address: string): string {
  const [local = address] = address.split('@');
  return local;
}
