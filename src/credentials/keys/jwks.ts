// The published key set (RFC 7517 §5) of a ring: public members only, and the same bytes from every replica.
import { createHash } from 'node:crypto';
import type { KeyRing } from './ring.ts';

export interface JwksDocument {
  readonly body: string;
  /** A strong validator (RFC 9110 §8.8.3), quotes included. */
  readonly etag: string;
}

const LAST = new WeakMap<KeyRing, { readonly of: string; readonly document: JwksDocument }>();

/**
 * The JWKS of the keys published at `at`. The document is built once for each set of keys. A repeated call costs one
 * comparison.
 */
export function jwksDocument(ring: KeyRing, at: Date): JwksDocument {
  const keys = ring.published(at);
  const of = `${ring.version} ${keys.map(({ kid }) => kid).join(' ')}`;
  const last = LAST.get(ring);
  if (last?.of === of) return last.document;
  // Members are named one by one, so that a new member of a key is never published by accident.
  const members = keys.map(({ publicJwk: { kty, n, e, kid, use, alg } }) => ({ kty, n, e, kid, use, alg }));
  const body = JSON.stringify({ keys: members });
  const document = { body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
  LAST.set(ring, { of, document });
  return document;
}
