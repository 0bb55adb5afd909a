// The query that checks and locks the session of a caller in the transaction of a change. The table belongs to
// sign-in/sessions.
import { type SystemTx, statement, type UserTx } from '../../base/database/db.ts';

/**
 * A SELECT that returns a row only if the session is live and its user is not disabled. Disabling an account ends its
 * sessions, unless somebody does it by SQL alone. Both parameters are SQL expressions.
 */
export const isSessionLiveSql = (userId: string, sessionId: string) => `
SELECT 1 FROM sessions s WHERE s.id = ${sessionId} AND s.user_id = ${userId} AND s.revoked_at IS NULL
  AND s.idle_expires_at > clock_timestamp() AND s.expires_at > clock_timestamp()
  AND (SELECT u.status FROM users u WHERE u.id = s.user_id) = 'active'`;

/**
 * A SELECT that also locks the session. Nobody can end the session until the transaction has ended: a logout waits, and
 * so is acknowledged only after the change. If the logout was first, this statement waits for it, and then finds the
 * session ended. A refresh of the session waits, too.
 */
export const lockSessionSql = (userId: string, sessionId: string) => `${isSessionLiveSql(userId, sessionId)} FOR SHARE`;

const LOCK = statement(lockSessionSql('$1::uuid', '$2::uuid'));

/** Locks the session until the transaction ends. Returns false if it is not live. */
export async function lockSession(tx: UserTx | SystemTx, userId: string, sessionId: string): Promise<boolean> {
  return (await tx.rows(LOCK, [userId, sessionId])).length > 0;
}
