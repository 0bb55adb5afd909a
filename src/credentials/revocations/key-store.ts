// The queries of revoked signing keys. A revoked key stays revoked for good, so its row is never removed: the file of
// the key may come back from a backup at any time.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { NIL_ID } from '../../protocol/id.ts';

const REVOKE = statement(`
WITH revoked AS (
  INSERT INTO revoked_keys (kid) VALUES ($1::text) ON CONFLICT DO NOTHING RETURNING kid
)
INSERT INTO revocations (id, kind, subject, kid)
SELECT gen_random_uuid(), 'key', '${NIL_ID}', kid FROM revoked RETURNING kid`);

/** Marks a key as revoked and writes the revocation. Returns true, or false if the key had been revoked before. */
export async function markKeyRevoked(tx: SystemTx, kid: string): Promise<boolean> {
  const rows = await tx.rows(REVOKE, [kid]);
  return rows.length > 0;
}

const LIST_REVOKED = statement('SELECT kid, revoked_at AS "revokedAt" FROM revoked_keys ORDER BY revoked_at DESC, kid');

export interface RevokedKey {
  readonly kid: string;
  readonly revokedAt: Date;
}

/** Every key that has ever been revoked, the most recently revoked first. */
export function listRevokedKeys(tx: SystemReader): Promise<RevokedKey[]> {
  return tx.rows<RevokedKey>(LIST_REVOKED, []);
}
