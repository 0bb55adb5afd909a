// Opens a service with a real mailbox, for the tests of forgotten passwords.
import type { Test } from 'tap';
import type { Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { type Mailbox, openMailbox, type ReceivedMail, tokenIn } from '../../support/servers/mailbox.ts';
import { openService, type Service } from '../../support/service.ts';

export const NEW_PASSWORD = 'nine yellow lanterns';

export interface Mailed {
  readonly mail: ReceivedMail;
  readonly token: string;
  readonly code: string;
}

export interface Forgotten {
  readonly database: TestDatabase;
  readonly mailbox: Mailbox;
  readonly service: Service;
  readonly api: Service['api'];
  readonly account: Account;
  ask(email: string, headers?: Record<string, string>): Promise<Reply>;
  /** Requests a mail and reads its link and its code. */
  mailed(email: string): Promise<Mailed>;
  reset(body: object): Promise<Reply>;
  signIn(email: string, password: string): Promise<Reply>;
}

/** Returns the code of a mail. */
export function codeIn({ text }: ReceivedMail): string {
  const code = /^(\d{8})$/m.exec(text)?.[1];
  if (!code) throw new Error(`there is no code in: ${text}`);
  return code;
}

/** Resolves with the next mail for a new password to this address. Other mails are passed over. */
export async function nextReset(mailbox: Mailbox, email: string): Promise<ReceivedMail> {
  for (;;) {
    const mail = await mailbox.next(email);
    if (/\/reset-password#token=/.test(mail.text)) return mail;
  }
}

/** Returns a code that differs from this one. */
export function wrongFor(code: string): string {
  return `${code.startsWith('1') ? '2' : '1'}${code.slice(1)}`;
}

/** Opens the service. Its outbox looks for mails every second, as in production. */
export async function openForgotten(t: Test, settings: Record<string, string> = {}): Promise<Forgotten> {
  const database = await createDatabase(t);
  const mailbox = await openMailbox(t);
  const service = await openService(t, database, { SMTP_URL: mailbox.url, ...settings });
  service.app.parts.outbox.follow();
  const { api } = service;
  const ask = (email: string, headers: Record<string, string> = {}) =>
    api.post('/auth/forgot-password', { email }, { headers });
  const account = await newAccount(api);
  await mailbox.nextProof(account.email); // so that no test takes this mail later
  return {
    ...{ database, mailbox, service, api, ask, account },
    async mailed(email) {
      const reply = await ask(email);
      if (reply.status !== 202) throw new Error(`the request answered ${reply.status}: ${reply.text}`);
      const mail = await nextReset(mailbox, email);
      return { mail, token: tokenIn(mail), code: codeIn(mail) };
    },
    reset: (body) => api.post('/auth/reset-password', body),
    signIn: (email, password) => api.post('/auth/login', { email, password }),
  };
}
