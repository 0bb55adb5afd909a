// The queries of requests with an Idempotency-Key. The clock of the database decides which of them have expired.
import { type OrganizationTx, type SystemReader, type SystemTx, statement } from '../database/db.ts';

export interface KeptRow {
  readonly secretId: string;
  /** In base64. */
  readonly fingerprint: string;
  /** In base64. */
  readonly answer: string;
  readonly isExpired: boolean;
  /** The row about the caller, which the RepeatGuard checks. */
  readonly caller: unknown;
}

/** Who repeats a request. All ids are null for a caller who is not signed in. */
export interface Repeating {
  readonly organizationId: string | null;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly keyId: string | null;
}

/**
 * The query of a kept answer. `aboutCaller` is the SELECT of the RepeatGuard, which runs only if there is an answer,
 * and takes the parameters $1 to $4. $5 is the id of the row in hexadecimal digits.
 */
export function keptFinder(aboutCaller: string) {
  const find = statement(`
SELECT secret_id AS "secretId", encode(fingerprint, 'base64') AS fingerprint, encode(answer, 'base64') AS answer,
  expires_at <= clock_timestamp() AS "isExpired",
  (SELECT row_to_json(found) FROM (${aboutCaller}) AS found) AS caller
FROM idempotency_keys WHERE id = decode($5, 'hex')`);
  return async (tx: SystemReader, id: Buffer, caller: Repeating): Promise<KeptRow | null> => {
    const { organizationId, userId, sessionId, keyId } = caller;
    const [row] = await tx.rows<KeptRow>(find, [organizationId, userId, sessionId, keyId, id.toString('hex')]);
    return row ?? null;
  };
}

const DELETE_EXPIRED = statement(`
DELETE FROM idempotency_keys WHERE id = decode($1, 'hex') AND expires_at <= clock_timestamp()`);

/** Removes the row if it has expired, so that its key can be used again. */
export async function deleteExpired(tx: SystemReader, id: Buffer): Promise<void> {
  await tx.rows(DELETE_EXPIRED, [id.toString('hex')]);
}

const COUNT = statement(`
SELECT count(*)::int AS held, ceil(extract(epoch FROM min(expires_at) - clock_timestamp()))::int AS "nextSeconds"
FROM (SELECT expires_at FROM idempotency_keys WHERE caller_id = $1::uuid AND expires_at > clock_timestamp()
  ORDER BY expires_at LIMIT $2::int) AS first`);

/** How many keys of the caller are kept, up to `max`, and the seconds until the first of them expires. */
export async function countKept(
  tx: SystemReader,
  callerId: string,
  max: number,
): Promise<{ readonly held: number; readonly nextSeconds: number | null }> {
  const [row] = await tx.rows<{ held: number; nextSeconds: number | null }>(COUNT, [callerId, max]);
  return row ?? { held: 0, nextSeconds: null };
}

const TRY_LOCK = statement(`
SELECT pg_try_advisory_xact_lock(('x' || left($1, 16))::bit(64)::bigint) AS free`);

/** Takes the lock of a key until the transaction ends. Returns false when another transaction has it. */
export async function tryLockKey(tx: OrganizationTx | SystemTx, id: Buffer): Promise<boolean> {
  const [row] = await tx.rows<{ free: boolean }>(TRY_LOCK, [id.toString('hex')]);
  return row?.free ?? false;
}

// $1 is the id of the row in hexadecimal digits, $2 the id of the organization, $3 of the caller and $4 of the secret.
// $5 is the fingerprint and $6 the answer, both in base64.
const INSERT = statement(`
INSERT INTO idempotency_keys (id, organization_id, caller_id, secret_id, fingerprint, answer)
VALUES (decode($1, 'hex'), $2::uuid, $3::uuid, $4, decode($5, 'base64'), decode($6, 'base64'))
ON CONFLICT DO NOTHING RETURNING 1 AS kept`);

export interface NewKept {
  readonly id: Buffer;
  readonly organizationId: string | null;
  readonly callerId: string | null;
  readonly secretId: string;
  readonly fingerprint: Buffer;
  readonly answer: Buffer;
}

/**
 * Keeps an answer. Returns false, and writes nothing, when the key has an answer already. While another transaction
 * writes an answer of the same key, this waits for its end.
 */
export async function insertKept(tx: OrganizationTx | SystemTx, kept: NewKept): Promise<boolean> {
  const { id, organizationId, callerId, secretId, fingerprint, answer } = kept;
  const bytes = [fingerprint.toString('base64'), answer.toString('base64')];
  const rows = await tx.rows(INSERT, [id.toString('hex'), organizationId, callerId, secretId, ...bytes]);
  return rows.length === 1;
}

const REMOVED_AT_ONCE = 1_000;
const DELETE_ALL_EXPIRED = statement(`
DELETE FROM idempotency_keys WHERE id IN (
  SELECT id FROM idempotency_keys WHERE expires_at <= clock_timestamp() ORDER BY expires_at LIMIT ${REMOVED_AT_ONCE}
  FOR UPDATE SKIP LOCKED)
RETURNING 1 AS removed`);

/** Removes some of the expired rows. Returns whether there may be more of them. */
export async function deleteSomeExpired(tx: SystemReader): Promise<boolean> {
  return (await tx.rows(DELETE_ALL_EXPIRED, [])).length === REMOVED_AT_ONCE;
}

const DELETE_OF = statement('DELETE FROM idempotency_keys WHERE caller_id = $1::uuid');

/** Removes the kept answers of a user whose account is being closed. */
export async function deleteKeptOf(tx: SystemTx, userId: string): Promise<void> {
  await tx.rows(DELETE_OF, [userId]);
}
