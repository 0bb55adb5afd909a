// The query that reads with which device something was done.
import { type SystemTx, statement } from '../../base/database/db.ts';
import { stored } from '../../base/secrets/personal.ts';

export interface SessionDevice {
  readonly userAgent: string | null;
  readonly ip: string | null;
}

const DEVICE = statement(`
SELECT ${stored('s.user_agent')} AS "userAgent", ${stored('s.ip')} AS ip
FROM sessions s WHERE s.id = $1::uuid AND s.user_id = $2::uuid`);

/** The device of a session of this user, even when the session has ended; null for any other id. */
export async function findSessionDevice(
  tx: SystemTx,
  sessionId: string,
  userId: string,
): Promise<SessionDevice | null> {
  const [row] = await tx.rows<SessionDevice>(DEVICE, [sessionId, userId]);
  if (!row) return null;
  return tx.personal.opening((open) => ({
    userAgent: open('sessions.user_agent', sessionId, row.userAgent),
    ip: open('sessions.ip', sessionId, row.ip),
  }));
}
