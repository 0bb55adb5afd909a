// Devices with which people sign in, and the mails that tell of new devices. The service trusts the address in the
// headers of a device, as if a proxy had sent it.
import type { Test } from 'tap';
import { wideNetworkOf } from '../../../src/base/http/rate-limit.ts';
import { openMail } from '../../../src/base/mail/smtp.ts';
import { openOutbox } from '../../../src/base/outbox/outbox.ts';
import { newDeviceMail } from '../../../src/sign-in/notices/new-device.ts';
import { freshEmail, type Inviting, openInviting, PASSWORD } from '../../directory/invitations/inviting.ts';
import type { Reply } from '../../support/client.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';
import type { ReceivedMail } from '../../support/servers/mailbox.ts';

export interface TestDevice {
  readonly agent: string;
  readonly ip: string;
}

export const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
export const CHROME =
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36';
export const LAPTOP: TestDevice = { agent: FIREFOX, ip: '203.0.113.7' };
/** Another browser in another network. */
export const STRANGE: TestDevice = { agent: CHROME, ip: '198.51.100.23' };

export interface Person {
  readonly email: string;
  readonly userId: string;
  readonly accessToken: string;
  readonly refreshToken: string;
}

export interface Devices extends Inviting {
  /** Registers somebody with the laptop, and marks the address as proven. */
  person(language?: string): Promise<Person>;
  /** Registers somebody, whose address is not proven. */
  unproven(device?: TestDevice): Promise<Person>;
  login(person: Pick<Person, 'email'>, device: TestDevice, password?: string): Promise<Reply>;
  /** Sends the due mails, and returns all mails to the person that tell of a new device. */
  notices(person: Pick<Person, 'email'>): Promise<readonly ReceivedMail[]>;
  /** Returns the outcomes of the mails about a new device, the oldest first. The outcome is null while a mail waits. */
  rowsOf(person: Pick<Person, 'userId'>): Promise<readonly (string | null)[]>;
}

export function headersOf({ agent, ip }: TestDevice): Record<string, string> {
  return { 'user-agent': agent, 'x-forwarded-for': ip };
}

/** With `sends only when asked`, no mail is sent before `notices` is called. */
export async function openDevices(t: Test, sending?: 'sends only when asked'): Promise<Devices> {
  const inviting = await openInviting(t, { TRUSTED_PROXIES: '127.0.0.1', PUBLIC_APP_URL: 'https://app.example' });
  const { api, database, mailbox, service } = inviting;
  const { parts } = service.app;
  let { outbox } = parts;
  if (sending !== undefined) {
    await outbox.stop();
    const kinds = [newDeviceMail({ mailKit: mailKitFor(), networkOf: wideNetworkOf })];
    const settings = { url: mailbox.url, from: 'a@example.com', production: false, log: parts.log };
    outbox = openOutbox({ db: parts.db, log: parts.log, kinds, send: openMail(settings) });
  }
  async function register(device: TestDevice, language: string): Promise<Person> {
    const email = freshEmail('device');
    const headers = { ...headersOf(device), 'accept-language': language };
    const reply = await api.post('/auth/register', { email, password: PASSWORD, name: 'Grace' }, { headers });
    if (reply.status !== 201) throw new Error(`registering answered ${reply.status}: ${reply.text}`);
    const { user, accessToken, refreshToken } = reply.body.data;
    return { email, userId: user.id, accessToken, refreshToken };
  }
  return {
    ...inviting,
    async person(language = 'en') {
      const person = await register(LAPTOP, language);
      await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [person.userId]);
      return person;
    },
    unproven: (device = LAPTOP) => register(device, 'en'),
    login: ({ email }, device, password = PASSWORD) =>
      api.post('/auth/login', { email, password }, { headers: headersOf(device) }),
    async notices({ email }) {
      await outbox.sendDue();
      return mailbox.mails.filter(
        ({ recipients, text }) => recipients.includes(email) && text.includes('/account/devices'),
      );
    },
    async rowsOf({ userId }) {
      const rows = await database.query<{ outcome: string | null }>(
        `SELECT outcome FROM outbox WHERE kind = 'new_device' AND user_id = $1 ORDER BY created_at, id`,
        [userId],
      );
      return rows.map(({ outcome }) => outcome);
    },
  };
}
