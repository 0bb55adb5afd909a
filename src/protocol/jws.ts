// Parses a compact JWS strictly: three canonical base64url parts, JSON objects without repeated members, RS256 only, no
// header that points to another key (RFC 7515 §4.1, RFC 8725 §3). This file does not check the signature.
import { isUtf8 } from 'node:buffer';

// A token may have 200 permissions, and their names may be long.
export const TOKEN_BYTES_MAX = 24_576;
export const KID_LENGTH_MAX = 128;
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid']);

/** The three parts of a compact JWS as they were sent (RFC 7515 §7.1). */
export interface CompactParts {
  readonly header: string;
  readonly payload: string;
  readonly signature: Buffer;
  /** The text that was signed (RFC 7515 §5.1). */
  readonly signed: string;
}

export interface TakenApart extends Omit<CompactParts, 'header' | 'payload'> {
  readonly kid: string;
  readonly payload: Record<string, unknown>;
}

/**
 * The bytes of a part, or null if it is not their canonical encoding: RFC 4648 §3.5 allows several texts for one value.
 */
export function decodePart(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : null;
}

/**
 * The parts of a compact JWS with a canonical signature, or null for any other text. The payload may be empty. Header
 * and payload are not checked: `decodePart` does that.
 */
export function splitCompact(jws: string): CompactParts | null {
  if (typeof jws !== 'string' || jws.length > TOKEN_BYTES_MAX) return null;
  const first = jws.indexOf('.');
  const last = jws.lastIndexOf('.');
  if (first < 1 || last === first || last === jws.length - 1) return null;
  const payload = jws.slice(first + 1, last);
  const signature = decodePart(jws.slice(last + 1));
  if (!signature || payload.includes('.')) return null;
  return { header: jws.slice(0, first), payload, signature, signed: jws.slice(0, last) };
}

/** Decodes one part. Null if it is not the canonical encoding of a JSON object. */
function decodeObject(part: string): Record<string, unknown> | null {
  const bytes = decodePart(part);
  if (!bytes || !isUtf8(bytes)) return null;
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    // The service signs the output of JSON.stringify. So the service cannot have made any other text, such as one with
    // a repeated member.
    return JSON.stringify(value) === text ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

interface GoodHeader {
  readonly part: string;
  readonly typ: string;
  readonly kid: string;
}

// All tokens of one kind and key begin with the same header, so the last good header is remembered.
let lastHeader: GoodHeader = { part: '', typ: '', kid: '' };

/** Reads a header part. Null unless it is the header of a token of this service with the given `typ`. */
function readHeader(part: string, typ: string): GoodHeader | null {
  if (lastHeader.part === part && lastHeader.typ === typ) return lastHeader;
  const header = decodeObject(part);
  if (header?.alg !== 'RS256' || header.typ !== typ) return null;
  if (Object.keys(header).some((member) => !HEADER_MEMBERS.has(member))) return null;
  if (typeof header.kid !== 'string' || header.kid === '' || header.kid.length > KID_LENGTH_MAX) return null;
  lastHeader = { part, typ, kid: header.kid };
  return lastHeader;
}

/** Parses a token of the given `typ`. Returns null if this service cannot have made the token. */
export function takeApart(token: string, typ: string): TakenApart | null {
  const parts = splitCompact(token);
  const header = parts && readHeader(parts.header, typ);
  const payload = header && decodeObject(parts.payload);
  return payload && { kid: header.kid, payload, signature: parts.signature, signed: parts.signed };
}
