// The SQL with which a sign-in requests the mail about a new device, in the statement that opens the session.
import { requestMailSql } from '../../base/outbox/store.ts';
import { COMPARED_SESSIONS, NEW_DEVICE_MAIL } from './known-device.ts';

/**
 * Only a device that no recent session had costs a row. Whether it is new is decided when the mail is due
 * (new-device.ts). Of simultaneous sign-ins with one device, one writes the row. Sessions from before the owner of the
 * address took the account over do not count. `mailId` is null for a sign-in that requests no mail. `lookup` is the
 * lookup of the device, in base64. The statement that contains this SQL must have the parts `person` and `opened`.
 */
export const requestNewDeviceMailSql = (of: { readonly mailId: string; readonly lookup: string }) =>
  requestMailSql(`
  SELECT ${of.mailId}, '${NEW_DEVICE_MAIL}', id, user_id, ${of.lookup} FROM opened
  WHERE ${of.mailId} IS NOT NULL AND NOT EXISTS (
    SELECT FROM (SELECT device_lookup FROM sessions
      WHERE user_id = $1 AND (created_at < (SELECT claimed_at FROM person)) IS NOT TRUE
      ORDER BY last_seen_at DESC LIMIT ${COMPARED_SESSIONS}) AS recent
    WHERE device_lookup = decode(${of.lookup}, 'base64'))`);
