// Finds the recipient of the mail whose one-time token is presented.
import type { SystemReader } from '../../base/database/db.ts';
import type { OneTime } from '../../credentials/one-time/consume.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findReceiver, type Receiver } from '../../directory/users/receiver-store.ts';

/** The user of the token. Null unless the account is active and still has the address to which the mail was sent. */
export async function findAddressee(tx: SystemReader, used: OneTime): Promise<Receiver | null> {
  const user = await findReceiver(tx, used.userId);
  return user?.isActive && isAbout(used, user) ? user : null;
}

/** Whether the user still has the address to which the mail was sent. */
export function isAbout({ address }: OneTime, { email }: Receiver): boolean {
  return address !== null && parseEmail(address)?.key === parseEmail(email)?.key;
}
