// The queries of clients' secrets. The newest secret of a client has no end. A former secret is valid until its overlap
// time is over. A later rotation removes the secrets that have ended.
import { type OrganizationTx, type SystemTx, statement } from '../../base/database/db.ts';
import { SYSTEM_OWNER } from '../../directory/roles/store.ts';

type AnyTx = OrganizationTx | SystemTx;

// $1 secret, $2 organization or null, $3 owner key, $4 client, $5 hash in hexadecimal digits.
const INSERT = statement(`
INSERT INTO client_secrets (id, organization_id, owner_key, client_id, hash)
VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, decode($5, 'hex'))`);

export interface NewSecret {
  readonly id: string;
  readonly organizationId: string | null;
  readonly clientId: string;
  /** SHA-256 in hexadecimal digits. */
  readonly hash: string;
}

/** Writes a secret without an end. Call endSecrets first, because a client may have only one such secret. */
export async function insertSecret(tx: AnyTx, { id, organizationId, clientId, hash }: NewSecret): Promise<void> {
  await tx.rows(INSERT, [id, organizationId, organizationId ?? SYSTEM_OWNER, clientId, hash]);
}

// A secret that ends sooner keeps its end. A later rotation never gives a secret a later end.
const END_ALL = statement(`
WITH instant AS MATERIALIZED (SELECT now, now + $3::float8 * interval '1 second' AS past FROM clock_timestamp() AS now),
over AS (
  DELETE FROM client_secrets
  WHERE owner_key = $1::uuid AND client_id = $2::uuid AND expires_at < (SELECT now FROM instant)
)
UPDATE client_secrets s SET expires_at = instant.past FROM instant
WHERE s.owner_key = $1::uuid AND s.client_id = $2::uuid AND (s.expires_at IS NULL OR s.expires_at > instant.past)`);

/** Makes every secret of the client end within `withinSeconds`. */
export async function endSecrets(
  tx: AnyTx,
  organizationId: string | null,
  clientId: string,
  withinSeconds: number,
): Promise<void> {
  await tx.rows(END_ALL, [organizationId ?? SYSTEM_OWNER, clientId, withinSeconds]);
}

const END_FORMER = statement(`
WITH ended AS (
  DELETE FROM client_secrets WHERE owner_key = $1::uuid AND client_id = $2::uuid AND expires_at IS NOT NULL
  RETURNING expires_at
)
SELECT count(*)::int AS total FROM ended WHERE expires_at > clock_timestamp()`);

/** Immediately ends every secret except the newest. Returns the number of ended secrets that were still valid. */
export async function endFormerSecrets(tx: AnyTx, organizationId: string | null, clientId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(END_FORMER, [organizationId ?? SYSTEM_OWNER, clientId]);
  return row?.total ?? 0;
}

const COUNT = statement(`
SELECT count(*)::int AS total FROM client_secrets
WHERE owner_key = $1::uuid AND client_id = $2::uuid AND (expires_at IS NULL OR expires_at > clock_timestamp())`);

/** The number of secrets of the client that are valid now. */
export async function countSecrets(tx: AnyTx, organizationId: string | null, clientId: string): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(COUNT, [organizationId ?? SYSTEM_OWNER, clientId]);
  return row?.total ?? 0;
}
