// The queries that raise a client's epoch. Once a service has read the revocation, it refuses the client's older access
// tokens.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Revoking } from '../../base/revoking/publish.ts';
import { revokingEpochs } from '../../base/revoking/sql.ts';
import { SYSTEM_OWNER } from '../../directory/roles/store.ts';
import type { Revocation } from '../../protocol/revocation.ts';

const raise = (revoked: string) =>
  statement(`
WITH raised AS (
  UPDATE clients SET epoch = epoch + 1 WHERE owner_key = $1::uuid AND id = $2::uuid RETURNING id, epoch, organization_id
),
revoked AS (${revoked})
SELECT id::text AS client_id, epoch FROM raised`);

// The system scope does not belong to an organization, so the statement names the organization of the client.
const BY_SYSTEM = revokingEpochs('client', 'raised', 'organization_id');
const RAISE = raise(revokingEpochs('client', 'raised'));
const RAISE_AS_SYSTEM = raise(BY_SYSTEM);

interface Raised {
  readonly client_id: string;
  readonly epoch: number;
}

/**
 * Raises the epoch of a client of the transaction's organization, and writes its revocation. The caller publishes the
 * revocation after the commit. Call this in the transaction that changes the client's rights, and before the client is
 * deleted.
 */
export async function raiseClientEpoch(tx: OrganizationTx, organizationId: string, id: string): Promise<Revocation[]> {
  const rows = await tx.rows<Raised>(RAISE, [organizationId, id]);
  return rows.map((row) => ({ kind: 'client', ...row }));
}

/** Does the same as raiseClientEpoch for a client of any organization or, with null, of the installation. */
export async function raiseAnyClientEpoch(
  tx: SystemTx | SystemReader,
  organizationId: string | null,
  id: string,
): Promise<Revocation[]> {
  const rows = await tx.rows<Raised>(RAISE_AS_SYSTEM, [organizationId ?? SYSTEM_OWNER, id]);
  return rows.map((row) => ({ kind: 'client', ...row }));
}

const RAISE_MADE_BY = statement(`
WITH raised AS (
  UPDATE clients SET epoch = epoch + 1 WHERE created_by = $1::uuid RETURNING id, epoch, organization_id
),
revoked AS (${BY_SYSTEM})
SELECT id::text AS client_id, epoch FROM raised`);

/** Does the same as raiseAnyClientEpoch for all clients that the user has made. */
export async function raiseEpochsOfMade(tx: SystemTx, userId: string): Promise<Revocation[]> {
  const rows = await tx.rows<Raised>(RAISE_MADE_BY, [userId]);
  return rows.map((row) => ({ kind: 'client', ...row }));
}

const END_CLIENT_TOKENS = statement(`
WITH raised AS (
  UPDATE clients SET epoch = epoch + 1 WHERE id = $1::uuid AND epoch = $2::int RETURNING id, epoch, organization_id
),
revoked AS (${BY_SYSTEM}),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id)
  SELECT gen_random_uuid(), organization_id, 'client.tokens_revoked', id, id FROM raised
)
SELECT id::text AS client_id, epoch FROM raised`);

/** Raises the epoch if it is still `epoch`, and writes the revocation and the event. Otherwise this does nothing. */
export async function endClientTokens(tx: SystemReader, clientId: string, epoch: number): Promise<Revoking> {
  const rows = await tx.rows<Raised>(END_CLIENT_TOKENS, [clientId, epoch]);
  return { revocations: rows.map((row) => ({ kind: 'client', ...row })) };
}
