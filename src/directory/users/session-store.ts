// The query that checks and locks the session of a caller in the transaction of a change, and checks the key of the
// caller's token. The table of sessions belongs to sign-in/sessions, and that of revoked keys to
// credentials/revocations.
import { type SystemTx, statement, type UserTx } from '../../base/database/db.ts';
import { isKeyRevokedSql } from '../../base/revoking/sql.ts';

/**
 * A SELECT that returns a row only if the session is live and its user is not disabled. Disabling an account ends its
 * sessions, unless somebody does it by SQL alone. Both parameters are SQL expressions.
 */
export const isSessionLiveSql = (userId: string, sessionId: string) => `
SELECT 1 FROM sessions s WHERE s.id = ${sessionId} AND s.user_id = ${userId} AND s.revoked_at IS NULL
  AND s.idle_expires_at > clock_timestamp() AND s.expires_at > clock_timestamp()
  AND (SELECT u.status FROM users u WHERE u.id = s.user_id) = 'active'`;

/**
 * A SELECT that also locks the session. Nobody can end the session until the transaction has ended. A logout waits, so
 * it is acknowledged only after the change. If the logout was first, this statement waits for it, and then finds the
 * session ended. A refresh of the session waits, too.
 */
export const lockSessionSql = (userId: string, sessionId: string) => `${isSessionLiveSql(userId, sessionId)} FOR SHARE`;

const LOCK = statement(`
WITH session AS MATERIALIZED (${lockSessionSql('$1::uuid', '$2::uuid')})
SELECT EXISTS (SELECT FROM session) AS live, ${isKeyRevokedSql('$3::text')} AS "keyRevoked"`);

/** The ids of the user and the session of a caller, and of the key that signed the caller's token. */
export interface SessionOwner {
  readonly id: string;
  readonly sessionId: string;
  readonly keyId?: string | undefined;
}

export interface FoundSession {
  readonly live: boolean;
  /** Whether the key that signed the caller's token was revoked. */
  readonly keyRevoked: boolean;
}

/** Locks the session until the transaction ends, if it is live. */
export async function lockSession(
  tx: UserTx | SystemTx,
  { id, sessionId, keyId }: SessionOwner,
): Promise<FoundSession> {
  const [row] = await tx.rows<FoundSession>(LOCK, [id, sessionId, keyId ?? null]);
  return row ?? { live: false, keyRevoked: false };
}
