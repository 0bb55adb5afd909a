// The mail which says that somebody signed in with a device that the account has not used before. A sign-in requests it
// in the statement that opens the session, if no recent session has the same device (sessions/store.ts). Whether the
// device is new is decided here, when the mail is due, so that the sign-in does not wait for it.
import { writeMail } from '../../base/mail-kit/kit.ts';
import { isWithinBudget } from '../../base/outbox/bounded-store.ts';
import { ADDRESS_BUDGET } from '../../base/outbox/enqueue.ts';
import type { MailKind } from '../../base/outbox/kinds.ts';
import { findReceiver } from '../../directory/users/receiver-store.ts';
import { nameDevice } from './device-name.ts';
import { COMPARED_SESSIONS, type ComparedDevice, comparedOf, isKnown, NEW_DEVICE_MAIL } from './known-device.ts';
import type { NoticeDeps } from './password-changed.ts';
import { findSessionDevice, hasSignedInBefore, listDevicesBefore, type SessionDevice } from './store.ts';

/**
 * Returns the mail kind for the outbox. The subject of the row is the session. Only a proven address gets the mail: a
 * stranger can register any other address, and chooses the name of the device.
 */
export function newDeviceMail({ mailKit, networkOf }: NoticeDeps): MailKind {
  const compared = ({ userAgent, ip }: SessionDevice): ComparedDevice =>
    comparedOf({ userAgent, network: networkOf(ip ?? '') });
  return {
    kind: NEW_DEVICE_MAIL,
    async prepare(tx, row) {
      const { userId, subjectId: sessionId, requestedAt: at } = row;
      const receiver = userId === null ? null : await findReceiver(tx, userId);
      if (!receiver?.isActive || !receiver.isEmailVerified) return null;
      const used = await findSessionDevice(tx, sessionId, receiver.id);
      if (!used || !(await hasSignedInBefore(tx, sessionId))) return null;
      const before = await listDevicesBefore(tx, sessionId, COMPARED_SESSIONS);
      if (isKnown(compared(used), before.map(compared)) || !(await isWithinBudget(tx, row, ADDRESS_BUDGET)))
        return null;
      const about = { at, device: nameDevice(used.userAgent), network: used.ip === null ? null : networkOf(used.ip) };
      return { to: receiver.email, ...writeMail(mailKit, NEW_DEVICE_MAIL, receiver.locale, about) };
    },
  };
}
