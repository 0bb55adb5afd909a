// Opens a service with a real mailbox for the tests of proving an address, and reads its mails.
import type { Test } from 'tap';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { type Mailbox, openMailbox, tokenIn } from '../../support/servers/mailbox.ts';
import { openService, type Service } from '../../support/service.ts';

export interface Proving {
  readonly database: TestDatabase;
  readonly mailbox: Mailbox;
  readonly service: Service;
  readonly api: Api;
  /** Registers a user with an organization, and reads the link and the code of the mail. */
  register(overrides?: Record<string, unknown>): Promise<Registered>;
  verify(body: Record<string, unknown>, token?: string): Promise<Reply>;
  isProven(userId: string): Promise<boolean>;
}

export interface Sent {
  readonly token: string;
  readonly code: string;
}

export type Registered = Account & Sent;

/** The token and the code of the next mail that proves this address. */
export async function sentTo(mailbox: Mailbox, email: string): Promise<Sent> {
  const mail = await mailbox.nextProof(email);
  const code = /^\s*((?:[0-9][ -]?){8})\s*$/m.exec(mail.text)?.[1]?.replace(/[ -]/g, '');
  if (!code) throw new Error(`there is no code in: ${mail.text}`);
  return { token: tokenIn(mail), code };
}

export async function openProving(t: Test, settings: Record<string, string> = {}): Promise<Proving> {
  const database = await createDatabase(t);
  const mailbox = await openMailbox(t);
  const service = await openService(t, database, { SMTP_URL: mailbox.url, ...settings });
  service.app.parts.outbox.follow();
  const { api } = service;
  return {
    ...{ database, mailbox, service, api },
    async register(overrides) {
      const account = await newAccount(api, overrides);
      return { ...account, ...(await sentTo(mailbox, account.email)) };
    },
    verify: (body, token) => api.post('/auth/verify-email', body, token === undefined ? {} : { token }),
    async isProven(userId) {
      const [row] = await database.query<{ at: Date | null }>(
        'SELECT email_verified_at AS at FROM users WHERE id = $1',
        [userId],
      );
      return row?.at != null;
    },
  };
}

/** Makes the only live token of a user expire. */
export function expire(database: TestDatabase, userId: string, column: 'expires_at' | 'code_expires_at') {
  return database.query(`UPDATE one_time_tokens SET ${column} = now() - interval '1 second' WHERE user_id = $1`, [
    userId,
  ]);
}
