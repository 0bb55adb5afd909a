// Revokes a signing key for good: every replica, verifier and sidecar refuses the tokens that it signed, and no replica
// uses its file any more. credentials/keys is responsible for the files of keys.
import type { Database } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import type { KeyRing } from '../keys/ring.ts';
import { listRevokedKeys, markKeyRevoked } from './key-store.ts';

export interface RevokeKeyDeps extends PublishDeps {
  readonly db: Database;
  readonly random: Random;
  readonly clock: Clock;
}

/**
 * Revokes the key with this RFC 7638 thumbprint. Any number of processes may do so at the same time: one of them writes
 * the revocation. Returns true, or false if the key had been revoked before. Raises DatabaseUnavailable.
 */
export async function revokeSigningKey(deps: RevokeKeyDeps, kid: string): Promise<boolean> {
  const commit = deps.db.system(async (tx) => {
    if (!(await markKeyRevoked(tx, kid))) return { revocations: [] };
    await record(tx, {
      id: newId(deps.random, deps.clock),
      type: 'key.revoked',
      organizationId: null,
      actorId: null,
      targetId: null,
      data: { kid },
    });
    return { revocations: [{ kind: 'key', kid }] satisfies Revocation[] };
  });
  return (await publishing(deps, commit)).revocations.length > 0;
}

/**
 * Makes the rings ignore every key that has ever been revoked. Later revocations reach the rings as events. Raises
 * DatabaseUnavailable.
 */
export async function refuseRevokedKeys(db: Database, rings: readonly KeyRing[]): Promise<void> {
  for (const { kid } of await listRevokedKeys(db.systemReader())) for (const ring of rings) ring.revoke(kid);
}
