// The queries that seal rows which the previous version has written unsealed. A row of a user or of an invitation is
// changed only if its clear values are still those that were sealed.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';

/** This many rows are sealed in one transaction. Sealing this many people takes about ten milliseconds. */
export const SEALED_AT_ONCE = 50;

// Only one process seals at a time. With `app.sealing`, an update of an invitation keeps its token: see the trigger
// invitations_guard.
const BEGIN = statement(`
SELECT pg_try_advisory_xact_lock(72707371) AS own, set_config('app.sealing', 'on', true) AS sealing`);

/** Returns whether this process may seal until the end of the transaction. Only one process may at a time. */
export async function lockSealing(tx: SystemTx): Promise<boolean> {
  const [row] = await tx.rows<{ own: boolean }>(BEGIN, []);
  return row?.own ?? false;
}

export interface ClearUser {
  readonly id: string;
  readonly email: string;
  readonly emailKey: string;
  readonly name: string;
}

const USERS = statement(`
SELECT u.id::text, u.email, u.email_key AS "emailKey", u.name FROM users u
WHERE (u.email_sealed IS NULL OR u.email_lookup IS NULL OR u.name_sealed IS NULL)
  AND u.email IS NOT NULL AND u.email_key IS NOT NULL AND u.name IS NOT NULL
ORDER BY u.id LIMIT ${SEALED_AT_ONCE}`);

export function listUnsealedUsers(tx: SystemReader): Promise<ClearUser[]> {
  return tx.rows(USERS, []);
}

export interface SealedUser extends ClearUser {
  readonly emailSealed: string;
  readonly nameSealed: string;
  readonly emailLookup: string;
  readonly nameGrams: readonly string[];
  readonly emailGrams: readonly string[];
}

// $1 the users as JSON. The rows are locked in the order of their ids, as in other statements that lock users.
const SEAL_USERS = statement(`
WITH given AS MATERIALIZED (
  SELECT g.* FROM jsonb_to_recordset($1::jsonb) AS g (id uuid, email text, "emailKey" text, name text, "emailSealed" text,
    "nameSealed" text, "emailLookup" text, "nameGrams" bigint[], "emailGrams" bigint[])
),
locked AS (
  SELECT u.id FROM users u WHERE u.id IN (SELECT id FROM given) ORDER BY u.id FOR NO KEY UPDATE
),
done AS (
  UPDATE users u SET email_sealed = decode(g."emailSealed", 'base64'), name_sealed = decode(g."nameSealed", 'base64'),
    email_lookup = decode(g."emailLookup", 'base64')
  FROM given g JOIN locked l ON l.id = g.id
  WHERE u.id = g.id AND u.email = g.email AND u.email_key = g."emailKey" AND u.name = g.name
    AND (u.email_sealed IS NULL OR u.email_lookup IS NULL OR u.name_sealed IS NULL)
  RETURNING u.id
),
searchable AS (
  INSERT INTO user_search (user_id, name_grams, email_grams)
  SELECT g.id, g."nameGrams", g."emailGrams" FROM given g JOIN done d ON d.id = g.id
  ON CONFLICT (user_id) DO UPDATE SET name_grams = excluded.name_grams, email_grams = excluded.email_grams
)
SELECT count(*)::int AS total FROM done`);

/** Stores the sealed values. Returns the number of changed rows. */
export function updateUsersSealed(tx: SystemTx, users: readonly SealedUser[]): Promise<number> {
  return total(tx, SEAL_USERS, users);
}

export interface ClearSession {
  readonly id: string;
  readonly userAgent: string | null;
  readonly ip: string | null;
}

const SESSIONS = statement(`
SELECT s.id::text, s.user_agent AS "userAgent", s.ip FROM sessions s
WHERE s.user_agent IS NOT NULL AND s.user_agent_sealed IS NULL OR s.ip IS NOT NULL AND s.ip_sealed IS NULL
ORDER BY s.id LIMIT ${SEALED_AT_ONCE}`);

export function listUnsealedSessions(tx: SystemReader): Promise<ClearSession[]> {
  return tx.rows(SESSIONS, []);
}

// $1 the sessions as JSON.
const SEAL_SESSIONS = statement(`
WITH given AS MATERIALIZED (
  SELECT g.* FROM jsonb_to_recordset($1::jsonb) AS g (id uuid, "userAgentSealed" text, "ipSealed" text)
),
locked AS (SELECT s.id FROM sessions s WHERE s.id IN (SELECT id FROM given) ORDER BY s.id FOR NO KEY UPDATE),
done AS (
  UPDATE sessions s SET user_agent_sealed = decode(g."userAgentSealed", 'base64'), ip_sealed = decode(g."ipSealed", 'base64')
  FROM given g JOIN locked l ON l.id = g.id
  WHERE s.id = g.id AND (s.user_agent IS NOT NULL OR s.ip IS NOT NULL) RETURNING 1
)
SELECT count(*)::int AS total FROM done`);

/** Stores the sealed values. Skips a session whose values were erased meanwhile, because its account was closed. */
export function updateSessionsSealed(
  tx: SystemTx,
  sessions: readonly { id: string; userAgentSealed: string | null; ipSealed: string | null }[],
): Promise<number> {
  return total(tx, SEAL_SESSIONS, sessions);
}

export interface ClearInvitation {
  readonly id: string;
  readonly email: string;
  readonly emailKey: string;
}

const INVITATIONS = statement(`
SELECT i.id::text, i.email, i.email_key AS "emailKey" FROM invitations i
WHERE (i.email_sealed IS NULL OR i.email_lookup IS NULL) AND i.email IS NOT NULL AND i.email_key IS NOT NULL
ORDER BY i.id LIMIT ${SEALED_AT_ONCE}`);

export function listUnsealedInvitations(tx: SystemReader): Promise<ClearInvitation[]> {
  return tx.rows(INVITATIONS, []);
}

// $1 the invitations as JSON.
const SEAL_INVITATIONS = statement(`
WITH given AS MATERIALIZED (
  SELECT g.* FROM jsonb_to_recordset($1::jsonb)
    AS g (id uuid, email text, "emailKey" text, "emailSealed" text, "emailLookup" text)
),
locked AS (SELECT i.id FROM invitations i WHERE i.id IN (SELECT id FROM given) ORDER BY i.id FOR NO KEY UPDATE),
done AS (
  UPDATE invitations i SET email_sealed = decode(g."emailSealed", 'base64'), email_lookup = decode(g."emailLookup", 'base64')
  FROM given g JOIN locked l ON l.id = g.id
  WHERE i.id = g.id AND i.email = g.email AND i.email_key = g."emailKey" RETURNING 1
)
SELECT count(*)::int AS total FROM done`);

export function updateInvitationsSealed(
  tx: SystemTx,
  invitations: readonly (ClearInvitation & { readonly emailSealed: string; readonly emailLookup: string })[],
): Promise<number> {
  return total(tx, SEAL_INVITATIONS, invitations);
}

export interface ClearMail {
  readonly id: string;
  readonly recipientKey: string;
}

const MAILS = statement(`
SELECT o.id::text, o.recipient_key AS "recipientKey" FROM outbox o
WHERE o.recipient_key IS NOT NULL AND o.recipient_lookup IS NULL ORDER BY o.id LIMIT ${SEALED_AT_ONCE}`);

export function listUnsealedMails(tx: SystemReader): Promise<ClearMail[]> {
  return tx.rows(MAILS, []);
}

// $1 the mails as JSON.
const SEAL_MAILS = statement(`
WITH given AS MATERIALIZED (
  SELECT g.* FROM jsonb_to_recordset($1::jsonb) AS g (id uuid, "recipientLookup" text)
),
done AS (
  UPDATE outbox o SET recipient_lookup = decode(g."recipientLookup", 'base64') FROM given g WHERE o.id = g.id RETURNING 1
)
SELECT count(*)::int AS total FROM done`);

export function updateMailsSealed(
  tx: SystemTx,
  mails: readonly { readonly id: string; readonly recipientLookup: string }[],
): Promise<number> {
  return total(tx, SEAL_MAILS, mails);
}

async function total(tx: SystemTx, query: ReturnType<typeof statement>, rows: readonly object[]): Promise<number> {
  const [row] = await tx.rows<{ total: number }>(query, [JSON.stringify(rows)]);
  return row?.total ?? 0;
}
