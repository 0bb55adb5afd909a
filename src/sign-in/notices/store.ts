// The queries that read with which device something was done, and which devices an account has used before.
import { type SystemTx, statement } from '../../base/database/db.ts';
import { stored } from '../../base/secrets/personal.ts';

export interface SessionDevice {
  readonly userAgent: string | null;
  readonly ip: string | null;
}

interface DeviceRow extends SessionDevice {
  readonly id: string;
}

const COLUMNS = `s.id::text, ${stored('s.user_agent')} AS "userAgent", ${stored('s.ip')} AS ip`;

const DEVICE = statement(`SELECT ${COLUMNS} FROM sessions s WHERE s.id = $1::uuid AND s.user_id = $2::uuid`);

/** The device of a session of this user, even when the session has ended; null for any other id. */
export async function findSessionDevice(
  tx: SystemTx,
  sessionId: string,
  userId: string,
): Promise<SessionDevice | null> {
  const [device] = await openDevices(tx, await tx.rows<DeviceRow>(DEVICE, [sessionId, userId]));
  return device ?? null;
}

function openDevices(tx: SystemTx, rows: readonly DeviceRow[]): Promise<SessionDevice[]> {
  return tx.personal.opening((open) =>
    rows.map(({ id, userAgent, ip }) => ({
      userAgent: open('sessions.user_agent', id, userAgent),
      ip: open('sessions.ip', id, ip),
    })),
  );
}

// $1 the session of the current sign-in. What somebody did before the owner of the address took the account over does
// not count.
const OWN = `
own AS (
  SELECT o.user_id, o.id, o.created_at, o.device_lookup, coalesce(u.claimed_at, '-infinity') AS since
  FROM sessions o JOIN users u ON u.id = o.user_id WHERE o.id = $1::uuid
)`;

// When the mail was requested, there was no other session with this lookup, so any such session was opened at the same
// moment or later. Its created_at may nevertheless be earlier than that of this session. It must not make the device
// known. $2 number of sessions.
const BEFORE = statement(`
WITH ${OWN}
SELECT ${COLUMNS} FROM own JOIN sessions s ON s.user_id = own.user_id AND s.created_at >= own.since
  AND (s.created_at, s.id) < (own.created_at, own.id) AND s.device_lookup IS DISTINCT FROM own.device_lookup
ORDER BY s.last_seen_at DESC LIMIT $2::int`);

/**
 * The devices of the most recently used sessions among those that were opened before this session, including sessions
 * that have ended.
 */
export async function listDevicesBefore(tx: SystemTx, sessionId: string, count: number): Promise<SessionDevice[]> {
  return openDevices(tx, await tx.rows<DeviceRow>(BEFORE, [sessionId, count]));
}

// Ended sessions are removed after some time, but events stay. So this also finds the sign-ins of an account that
// nobody has used for long. As above, a session with the same lookup does not count.
const SIGNED_IN_BEFORE = statement(`
WITH ${OWN}
SELECT EXISTS (SELECT FROM events e WHERE e.actor_id = own.user_id AND e.type = 'session.opened'
  AND e.at < own.created_at AND e.at >= own.since AND NOT EXISTS (
    SELECT FROM sessions s WHERE s.id = e.target_id AND s.device_lookup = own.device_lookup)) AS before
FROM own WHERE own.created_at >= own.since`);

/** Whether the person had signed in before this session was opened. */
export async function hasSignedInBefore(tx: SystemTx, sessionId: string): Promise<boolean> {
  const [row] = await tx.rows<{ before: boolean }>(SIGNED_IN_BEFORE, [sessionId]);
  return row?.before ?? false;
}
