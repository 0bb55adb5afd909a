// The queries of client authentication. They find only a client that may authenticate now. They find no disabled
// client, no client of a suspended organization, and no client that is registered for another method.
import { type SystemReader, statement } from '../../base/database/db.ts';
import type { PublicKey } from '../clients/public-keys.ts';
import type { AuthenticatedClient } from './authenticate.ts';

const CLIENTS = 'clients c LEFT JOIN organizations o ON o.id = c.organization_id';
const isLive = (authentication: 'client_secret' | 'private_key_jwt') =>
  `c.status = 'active' AND c.authentication = '${authentication}' AND (c.organization_id IS NULL OR o.status = 'active')`;

const COLUMNS = `
c.id::text AS id, c.name, c.audience, c.permissions, c.epoch,
CASE WHEN o.id IS NOT NULL THEN json_build_object('id', o.id, 'slug', o.slug) END AS organization`;

// The statement returns a row for every id, after the same lookups, so that its time does not show which clients exist.
const WITH_SECRETS = statement(`
SELECT c.id IS NOT NULL AS known, ${COLUMNS},
  ARRAY(SELECT encode(s.hash, 'hex') FROM client_secrets s
    WHERE s.owner_key = coalesce(c.owner_key, asked.id) AND s.client_id = asked.id
      AND (s.expires_at IS NULL OR s.expires_at > clock_timestamp())) AS hashes
FROM (SELECT $1::uuid AS id) AS asked
LEFT JOIN (${CLIENTS}) ON c.id = asked.id AND ${isLive('client_secret')}`);

export interface ClientWithSecrets extends AuthenticatedClient {
  /** The SHA-256 of each secret that is valid now, in hexadecimal digits. */
  readonly hashes: readonly string[];
}

/** The client with the hashes of its secrets. Null for a client that cannot authenticate by a secret at the moment. */
export async function findClientWithSecrets(tx: SystemReader, clientId: string): Promise<ClientWithSecrets | null> {
  const [row] = await tx.rows<ClientWithSecrets & { readonly known: boolean }>(WITH_SECRETS, [clientId]);
  if (!row?.known) return null;
  const { known: _, ...client } = row;
  return client;
}

const KEYS = statement(`
SELECT c.jwks -> 'keys' AS keys, c.epoch FROM ${CLIENTS} WHERE c.id = $1::uuid AND ${isLive('private_key_jwt')}`);

export interface RegisteredKeys {
  readonly keys: readonly PublicKey[];
  /** A change of the keys raises the epoch. */
  readonly epoch: number;
}

/** The keys of a client. Null for a client that cannot authenticate by an assertion at the moment. */
export async function findRegisteredKeys(tx: SystemReader, clientId: string): Promise<RegisteredKeys | null> {
  const [row] = await tx.rows<RegisteredKeys>(KEYS, [clientId]);
  return row ?? null;
}

// The row of the client is locked. So a deletion at the same moment waits, or has already removed the client.
// $1 client, $2 hash of the jti in hexadecimal digits, $3 when the assertion expires (seconds since 1970), $4 epoch.
const USE_ASSERTION = statement(`
WITH live AS (
  SELECT ${COLUMNS} FROM ${CLIENTS}
  WHERE c.id = $1::uuid AND c.epoch = $4::int AND ${isLive('private_key_jwt')} FOR KEY SHARE OF c
),
used AS (
  INSERT INTO client_assertions (client_id, jti_hash, expires_at)
  SELECT id::uuid, decode($2, 'hex'), to_timestamp($3::float8) FROM live
  ON CONFLICT DO NOTHING RETURNING 1
)
SELECT live.* FROM live, used`);

export interface UsedAssertion {
  readonly clientId: string;
  /** SHA-256 in hexadecimal digits. */
  readonly jtiHash: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** The client's epoch when its keys were read. */
  readonly epoch: number;
}

/**
 * Records the use of an assertion. Returns the client. Returns null if the assertion was used before or the client has
 * changed.
 */
export async function insertAssertion(tx: SystemReader, used: UsedAssertion): Promise<AuthenticatedClient | null> {
  const values = [used.clientId, used.jtiHash, used.expiresAt, used.epoch];
  const [row] = await tx.rows<AuthenticatedClient>(USE_ASSERTION, values);
  return row ?? null;
}

const REMOVED_AT_ONCE = 10_000;

// The clocks of replicas may differ. A record stays for 10 minutes after the assertion has expired, so that no replica
// whose clock is behind still accepts the assertion a second time.
const REMOVE = statement(`
WITH removed AS (DELETE FROM client_assertions WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM client_assertions WHERE expires_at < (SELECT clock_timestamp() - interval '10 minutes')
    ORDER BY expires_at LIMIT ${REMOVED_AT_ONCE})) RETURNING 1)
SELECT count(*)::int AS total FROM removed`);

/** Removes a portion of the expired assertions. Returns whether there may be more of them. */
export async function deleteExpiredAssertions(tx: SystemReader): Promise<boolean> {
  const [row] = await tx.rows<{ total: number }>(REMOVE, []);
  return row?.total === REMOVED_AT_ONCE;
}
