// Secrets that every process of the installation derives from its signing keys, so that they are in no database and
// need no configuration of their own. A signature by RS256 is deterministic (RFC 8017 §8.2), and only the holder of the
// private key can make it.
import { createHash } from 'node:crypto';
import type { Clock } from '../../base/platform/clock.ts';
import type { KeyRing, RingKey } from './ring.ts';

export interface DerivedSecrets {
  /** The secret of the key that signs now. Raises NoSigningKey. */
  current(): Promise<{ readonly id: string; readonly secret: Buffer }>;
  /** The secret of any key of the ring; null for a key that the ring does not have. */
  find(id: string): Promise<Buffer | null>;
}

/** Returns the secrets of the keys of a ring. `purpose` keeps the secrets of different uses apart. */
export function derivedSecrets(ring: KeyRing, clock: Clock, purpose: string): DerivedSecrets {
  // The signed text has spaces, so it can never be the signed part of a token (RFC 7515 §5.1).
  const text = Buffer.from(`tenantry secret for ${purpose}`);
  const known = new Map<string, Promise<Buffer>>();
  ring.onChange(() => known.clear());

  async function derive({ privateKey }: RingKey): Promise<Buffer> {
    const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', privateKey, text);
    return createHash('sha256').update(Buffer.from(signature)).digest();
  }

  function secretOf(key: RingKey): Promise<Buffer> {
    const derived = known.get(key.kid) ?? derive(key);
    known.set(key.kid, derived);
    return derived;
  }

  return {
    async current() {
      const key = ring.signingKeyAt(clock.now());
      return { id: key.kid, secret: await secretOf(key) };
    },
    async find(id) {
      const key = ring.keys().find(({ kid }) => kid === id);
      return key ? secretOf(key) : null;
    },
  };
}
