// Opens a service on which accounts exist only after the proof of their mailbox, with a real mailbox.
import type { Test } from 'tap';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { lookupOf } from '../../support/personal.ts';
import { type Mailbox, openMailbox, type ReceivedMail, tokenIn } from '../../support/servers/mailbox.ts';
import { openService, type Service } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { type Sent, sentTo } from '../verify-email/proving.ts';

export const PASSWORD = 'eleven paper windmills';
export const NEW_PASSWORD = 'nine yellow lanterns';

export interface Pending extends Sent {
  readonly email: string;
  readonly registrationId: string;
}

export interface Registering {
  readonly database: TestDatabase;
  readonly mailbox: Mailbox;
  readonly service: Service;
  readonly api: Api;
  ask(email: string, more?: Record<string, unknown>, headers?: Record<string, string>): Promise<Reply>;
  /** Registers, and reads the link and the code of the mail. */
  pending(email?: string, more?: Record<string, unknown>, headers?: Record<string, string>): Promise<Pending>;
  /** Sends the mails that are due. */
  send(): Promise<void>;
  verify(body: Record<string, unknown>, token?: string): Promise<Reply>;
  signIn(email: string, password?: string): Promise<Reply>;
  account(email: string): Promise<{ readonly id: string; readonly isProven: boolean } | null>;
  /** The number of registrations that wait. */
  waiting(email: string): Promise<number>;
  /** The number of mails for registrations that were requested for an address. */
  mails(email: string): Promise<number>;
}

let addresses = 0;

/** An address that nobody has. */
export function freshAddress(name = 'new'): string {
  addresses += 1;
  return `${name}-${process.pid}-${addresses}@example.com`;
}

export async function openRegistering(t: Test, settings: Record<string, string> = {}): Promise<Registering> {
  const database = await createDatabase(t);
  const mailbox = await openMailbox(t);
  const service = await openService(t, database, {
    ...{ SMTP_URL: mailbox.url, REGISTRATION_MODE: 'verified' },
    ...settings,
  });
  return { ...onService(database, mailbox, service), database, mailbox };
}

/** The same for another service on the same database. */
export function onService(database: TestDatabase, mailbox: Mailbox, service: Service) {
  const { api } = service;
  const send = () => service.app.parts.outbox.sendDue();
  const ask: Registering['ask'] = (email, more = {}, headers = {}) =>
    api.post('/auth/register', { email, password: PASSWORD, name: 'Ada Lovelace', ...more }, { headers });
  const count = async (text: string, values: unknown[]) =>
    (await database.query<{ total: number }>(`SELECT count(*)::int AS total FROM ${text}`, values))[0]?.total ?? 0;
  return {
    ...{ service, api, send, ask },
    async pending(
      email = freshAddress(),
      more: Record<string, unknown> = {},
      headers: Record<string, string> = {},
    ): Promise<Pending> {
      const reply = await ask(email, more, headers);
      if (reply.status !== 202) throw new Error(`register answered ${reply.status}: ${reply.text}`);
      const { registrationId } = reply.body.data;
      await sendUntilSent(database, send, registrationId);
      // A mail that seemed to fail may have arrived. Only the link of the newest mail works.
      const isProof = ({ recipients, text }: ReceivedMail) =>
        recipients.includes(email) && text.includes('/verify-email#');
      const newest = mailbox.mails.findLast(isProof);
      if (!newest) throw new Error(`there is no mail to ${email}`);
      let sent = await sentTo(mailbox, email);
      while (sent.token !== tokenIn(newest)) sent = await sentTo(mailbox, email);
      return { email, registrationId, ...sent };
    },
    verify: (body: Record<string, unknown>, token?: string) =>
      api.post('/auth/verify-email', body, token === undefined ? {} : { token }),
    signIn: (email: string, password = PASSWORD) => api.post('/auth/login', { email, password }),
    async account(email: string) {
      const [row] = await database.query<{ id: string; isProven: boolean }>(
        'SELECT id, email_verified_at IS NOT NULL AS "isProven" FROM users WHERE email_lookup = $1',
        [lookupOf('users.email', email)],
      );
      return row ?? null;
    },
    waiting: (email: string) =>
      count('registrations WHERE email_lookup = $1', [lookupOf('registrations.email', email)]),
    mails: (email: string) =>
      count("outbox WHERE kind = 'registration' AND recipient_lookup = $1", [lookupOf('outbox.recipient', email)]),
  };
}

/** A mail server on a busy machine may refuse a mail, which is then due much later. */
async function sendUntilSent(database: TestDatabase, send: () => Promise<void>, subjectId: string): Promise<void> {
  const again = 'UPDATE outbox SET due_at = now() WHERE subject_id = $1 AND outcome IS NULL AND failure IS NOT NULL';
  await until(async () => {
    await database.query(again, [subjectId]);
    await send();
    const [row] = await database.query<{ outcome: string | null }>('SELECT outcome FROM outbox WHERE subject_id = $1', [
      subjectId,
    ]);
    if (row?.outcome === 'unwanted') throw new Error('the mail was not wanted');
    return row?.outcome === 'sent';
  });
}

/** Another code than this one. */
export function wrongFor(code: string): string {
  return `${code.startsWith('1') ? '2' : '1'}${code.slice(1)}`;
}
