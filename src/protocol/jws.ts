// Takes a compact JWS apart, strictly: three canonical base64url parts, JSON objects without repeated members, RS256
// only, nothing that would point to another key (RFC 7515 §4.1, RFC 8725 §3). It checks no signature.

// The 200 permissions that a token may carry make it long when their names are.
const TOKEN_BYTES_MAX = 24_576;
const KID_LENGTH_MAX = 128;
const COMPACT = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/;
const HEADER_MEMBERS = new Set(['alg', 'typ', 'kid']);

export interface TakenApart {
  readonly kid: string;
  readonly payload: Record<string, unknown>;
}

/** Decodes one part, or null when it is not the one canonical encoding of a JSON object. */
function decodeObject(part: string): Record<string, unknown> | null {
  const text = Buffer.from(part, 'base64url').toString('utf8');
  // Only canonical base64url of good UTF-8 leads back to the same part.
  if (Buffer.from(text).toString('base64url') !== part) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    // What this service signs is JSON.stringify's own output. Anything else, a repeated member above all, is not ours.
    return JSON.stringify(value) === text ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** The parts of a token of the given `typ` that this service could have made, or null. */
export function takeApart(token: string, typ: string): TakenApart | null {
  if (token.length > TOKEN_BYTES_MAX) return null;
  const match = COMPACT.exec(token);
  if (!match?.[1] || !match[2] || !match[3]) return null;
  const header = decodeObject(match[1]);
  if (header?.alg !== 'RS256' || header.typ !== typ) return null;
  if (Object.keys(header).some((member) => !HEADER_MEMBERS.has(member))) return null;
  if (typeof header.kid !== 'string' || header.kid === '' || header.kid.length > KID_LENGTH_MAX) return null;
  if (Buffer.from(match[3], 'base64url').toString('base64url') !== match[3]) return null;
  const payload = decodeObject(match[2]);
  return payload && { kid: header.kid, payload };
}
