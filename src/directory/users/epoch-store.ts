// The query that raises users' epochs. After the commit, every service refuses the users' older access tokens.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import { revokingEpochs } from '../../base/revoking/sql.ts';
import type { Revocation } from '../../protocol/revocation.ts';

// The rows are locked in the order of their ids, so that two of these statements cannot deadlock.
const RAISE = statement(`
WITH locked AS (SELECT id FROM users WHERE id = ANY($1::text[]::uuid[]) ORDER BY id FOR NO KEY UPDATE),
raised AS (UPDATE users u SET epoch = u.epoch + 1 FROM locked WHERE u.id = locked.id RETURNING u.id, u.epoch),
revoked AS (${revokingEpochs('user', 'raised')})
SELECT id::text AS sub, epoch FROM raised`);

/**
 * Raises the epochs of the listed users that the transaction can see, and writes their revocations. The caller
 * publishes the returned revocations after the commit. Call this in the transaction that changes the users' rights, and
 * before a membership is removed.
 */
export async function raiseEpochs(
  tx: OrganizationTx | SystemTx | SystemReader,
  userIds: readonly string[],
): Promise<Revocation[]> {
  if (userIds.length === 0) return [];
  const rows = await tx.rows<{ sub: string; epoch: number }>(RAISE, [userIds]);
  return rows.map(({ sub, epoch }) => ({ kind: 'user', sub, epoch }));
}
