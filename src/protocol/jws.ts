// Takes a compact JWS apart, strictly: three canonical base64url parts, JSON objects without repeated members, RS256
// only, nothing that would point to another key (RFC 7515 §4.1, RFC 8725 §3). It checks no signature.
import { isUtf8 } from 'node:buffer';

// The 200 permissions that a token may carry make it long when their names are.
export const TOKEN_BYTES_MAX = 24_576;
export const KID_LENGTH_MAX = 128;
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid']);

/** The three parts of a compact JWS as they were sent (RFC 7515 §7.1). */
export interface CompactParts {
  readonly header: string;
  readonly payload: string;
  readonly signature: Buffer;
  /** The text that the signature is of (RFC 7515 §5.1). */
  readonly signed: string;
}

export interface TakenApart extends Omit<CompactParts, 'header' | 'payload'> {
  readonly kid: string;
  readonly payload: Record<string, unknown>;
}

/** The bytes of a part, or null when it is not their one canonical encoding: RFC 4648 §3.5 leaves bits to play with. */
export function decodePart(part: string): Buffer | null {
  const bytes = Buffer.from(part, 'base64url');
  return bytes.toString('base64url') === part ? bytes : null;
}

/**
 * The parts of a compact JWS with a canonical signature, or null. Header and payload, which may be empty, are as they
 * were sent: `decodePart` says whether they are good.
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

/** Decodes one part, or null when it is not the one canonical encoding of a JSON object. */
function decodeObject(part: string): Record<string, unknown> | null {
  const bytes = decodePart(part);
  if (!bytes || !isUtf8(bytes)) return null;
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    // What this service signs is JSON.stringify's own output. Anything else, a repeated member above all, is not ours.
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

// All tokens of one kind and key begin with the same header: the last good one need not be read again.
let lastHeader: GoodHeader = { part: '', typ: '', kid: '' };

/** What a header part says, or null unless it is one of this service's tokens of the given `typ`. */
function readHeader(part: string, typ: string): GoodHeader | null {
  if (lastHeader.part === part && lastHeader.typ === typ) return lastHeader;
  const header = decodeObject(part);
  if (header?.alg !== 'RS256' || header.typ !== typ) return null;
  if (Object.keys(header).some((member) => !HEADER_MEMBERS.has(member))) return null;
  if (typeof header.kid !== 'string' || header.kid === '' || header.kid.length > KID_LENGTH_MAX) return null;
  lastHeader = { part, typ, kid: header.kid };
  return lastHeader;
}

/** The parts of a token of the given `typ` that this service could have made, or null. */
export function takeApart(token: string, typ: string): TakenApart | null {
  const parts = splitCompact(token);
  const header = parts && readHeader(parts.header, typ);
  const payload = header && decodeObject(parts.payload);
  return payload && { kid: header.kid, payload, signature: parts.signature, signed: parts.signed };
}
