// The queries about the proof of who the user of a session is: the password, and the time of the last proof.
import { type SystemReader, statement } from '../../base/database/db.ts';
import { isKeyRevokedSql } from '../../base/revoking/sql.ts';
import { stored } from '../../base/secrets/personal.ts';
import type { SessionOwner } from '../../directory/users/live-session.ts';
import { withPerson } from '../../directory/users/person-store.ts';
import {
  type ChangedRow,
  type ChangedSession,
  changedSessionOf,
  selectChanged,
  subject,
} from '../sessions/subject-store.ts';

// $1 session, $2 user.
const LIVE = `s.id = $1::uuid AND s.user_id = $2::uuid AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
  AND s.expires_at > clock_timestamp()`;

// $1 session, $2 user, $3 seconds.
const IS_FRESH = statement(`
SELECT coalesce(s.authenticated_at, s.created_at) >= clock_timestamp() - $3::float8 * interval '1 second' AS fresh
FROM sessions s JOIN users u ON u.id = s.user_id AND u.status = 'active' WHERE ${LIVE}`);

/** Whether the user proved who they are in this session at most `seconds` ago. Null for a session that has ended. */
export async function isFresh(
  tx: SystemReader,
  { id, sessionId }: SessionOwner,
  seconds: number,
): Promise<boolean | null> {
  const [row] = await tx.rows<{ fresh: boolean }>(IS_FRESH, [sessionId, id, seconds]);
  return row?.fresh ?? null;
}

export interface OwnCredentials {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly hash: string | null;
  /** When the password was set. Null for a user without a password. */
  readonly changedAt: Date | null;
  /** The name of the organization for which the user acts. Null unless the user is an active member of it. */
  readonly organizationName: string | null;
}

// $1 session, $2 user, $3 organization to act for or null.
const OWN_CREDENTIALS = statement(`
SELECT u.id, ${stored('u.email')} AS email, ${stored('u.name')} AS name, p.hash, p.changed_at AS "changedAt",
  o.name AS "organizationName"
FROM sessions s JOIN users u ON u.id = s.user_id AND u.status = 'active' LEFT JOIN passwords p ON p.user_id = u.id
LEFT JOIN (memberships m JOIN organizations o ON o.id = m.organization_id AND o.status = 'active')
  ON m.user_id = u.id AND m.organization_id = $3::uuid AND m.status = 'active'
WHERE ${LIVE}`);

/**
 * The active user of a live session, with the password hash; null if the session has ended or the user is not active.
 */
export async function findOwnCredentials(
  tx: SystemReader,
  { id, sessionId, organizationId }: SessionOwner & { readonly organizationId: string | null },
): Promise<OwnCredentials | null> {
  const [row] = await tx.rows<OwnCredentials>(OWN_CREDENTIALS, [sessionId, id, organizationId]);
  return row ? tx.personal.opening((open) => withPerson(open, row)) : null;
}

// The checked password must still be the current one. A transaction that replaces it either waits for this statement,
// or has already replaced it, and then nothing is renewed.
// $1 user, $2 organization to act for or null, $3 session, $4 the key of the caller's token, $5 when the checked
// password was set, null after a change of the password in the same transaction, which has its own event.
const RENEW = statement(`
WITH ${subject('false')},
proven AS MATERIALIZED (SELECT 1 FROM passwords WHERE user_id = $1 AND changed_at = $5::timestamptz FOR SHARE),
renewed AS (
  UPDATE sessions s SET authenticated_at = clock_timestamp(), last_seen_at = clock_timestamp() FROM person p
  WHERE s.id = $3 AND s.user_id = $1 AND s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp()
    AND s.expires_at > clock_timestamp() AND p.status = 'active' AND NOT ${isKeyRevokedSql('$4::text')}
    AND ($5::timestamptz IS NULL OR EXISTS (SELECT FROM proven))
  RETURNING s.id, s.organization_id, s.authenticated_at, s.idle_expires_at, s.amr
),
recorded AS (
  INSERT INTO events (id, organization_id, type, actor_id, target_id)
  SELECT gen_random_uuid(), organization_id, 'session.reauthenticated', $1, id FROM renewed WHERE $5::timestamptz IS NOT NULL
)${selectChanged('renewed')}`);

/** Sets the time of the proof to now. Returns null for an unknown user. */
export async function updateAuthenticated(
  tx: SystemReader,
  { id, sessionId, keyId, organizationId }: SessionOwner & { readonly organizationId: string | null },
  passwordChangedAt: Date | null,
): Promise<ChangedSession | null> {
  const values = [id, organizationId, sessionId, keyId ?? null, passwordChangedAt];
  const [row] = await tx.rows<ChangedRow>(RENEW, values);
  return changedSessionOf(tx, row);
}
