// Opens a service with a real mailbox for the tests of changing an address, and reads its mails.
import type { Test } from 'tap';
import { NOTICE_MAIL } from '../../../src/sign-in/own-email/mail.ts';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { holdMails } from '../../support/fixtures/held-mails.ts';
import { type Mailbox, openMailbox, type ReceivedMail, tokenIn } from '../../support/servers/mailbox.ts';
import { openService, type Service } from '../../support/service.ts';

export interface Changing {
  readonly database: TestDatabase;
  readonly mailbox: Mailbox;
  readonly service: Service;
  readonly api: Api;
  /** Registers a user whose address counts as proven. */
  register(): Promise<Account>;
  ask(token: string, newEmail: string, more?: Record<string, unknown>): Promise<Reply>;
  /** Asks, and returns the token that proves the new address. */
  askFor(token: string, to: string): Promise<string>;
  /** Proves the new address for the user with this access token. */
  confirm(proof: Record<string, unknown>, accessToken: string): Promise<Reply>;
  revert(token: string): Promise<Reply>;
  /**
   * Asks and confirms by the link. Returns the token of the mail to the former address, and new tokens of the session.
   */
  change(account: Account, from: string, to: string): Promise<Changed>;
  login(account: Account, email?: string): Promise<Reply>;
  /** Makes mails to former addresses wait for a day. Returns the function after which further mails do not wait. */
  holdNotices(): Promise<() => Promise<unknown>>;
}

export interface Changed {
  /** The token that takes the former address back. */
  readonly back: string;
  /** An access token of the session that asked and confirmed, which goes on. */
  readonly accessToken: string;
  readonly refreshToken: string;
}

let made = 0;

export function freshEmail(name = 'new'): string {
  made += 1;
  return `${name}${made}@other.example`;
}

export interface Sent {
  readonly token: string;
  readonly code: string;
}

export function proofIn(mail: ReceivedMail): Sent {
  const code = /^\s*((?:[0-9][ -]?){8})\s*$/m.exec(mail.text)?.[1]?.replace(/[ -]/g, '');
  if (!code) throw new Error(`there is no code in: ${mail.text}`);
  return { token: tokenIn(mail), code };
}

/** The next mail to the address with a link to this page. Mails of other kinds are passed over. */
export async function mailTo(mailbox: Mailbox, email: string, page: string): Promise<ReceivedMail> {
  for (;;) {
    const mail = await mailbox.next(email);
    if (mail.text.includes(`${page}#token=`)) return mail;
  }
}

export async function openChanging(t: Test, settings: Record<string, string> = {}): Promise<Changing> {
  const database = await createDatabase(t);
  const mailbox = await openMailbox(t);
  const service = await openService(t, database, { SMTP_URL: mailbox.url, ...settings });
  service.app.parts.outbox.follow();
  const { api } = service;
  const ask: Changing['ask'] = (token, newEmail, more = {}) => api.post('/me/email', { newEmail, ...more }, { token });
  const confirm: Changing['confirm'] = (proof, token) => api.post('/auth/confirm-email-change', proof, { token });
  return {
    ...{ database, mailbox, service, api, ask, confirm },
    async askFor(token, to) {
      const asked = await ask(token, to);
      if (asked.status !== 202) throw new Error(asked.text);
      return proofIn(await mailTo(mailbox, to, '/confirm-email')).token;
    },
    holdNotices: () => holdMails(database, NOTICE_MAIL),
    register: () => newProvenAccount(api, database),
    revert: (token) => api.post('/auth/revert-email', { token }),
    async change({ accessToken, refreshToken }, from, to) {
      const asked = await ask(accessToken, to);
      if (asked.status !== 202) throw new Error(asked.text);
      const { token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
      const confirmed = await confirm({ token }, accessToken);
      if (confirmed.status !== 200) throw new Error(confirmed.text);
      const back = tokenIn(await mailTo(mailbox, from, '/revert-email'));
      const renewed = await api.post('/auth/refresh', { refreshToken });
      if (renewed.status !== 200) throw new Error(renewed.text);
      return { back, ...renewed.body.data };
    },
    login: ({ email, password }, as = email) => api.post('/auth/login', { email: as, password }),
  };
}

/** The parts of an account that a change of the address alters. */
export async function contentOf({ query }: TestDatabase, userId: string): Promise<unknown> {
  const [row] = await query(
    `SELECT encode(u.email_lookup, 'hex') AS lookup, u.epoch, u.email_verified_at, s.email_grams,
       (SELECT count(*) FROM sessions WHERE user_id = u.id AND revoked_at IS NULL) AS live,
       (SELECT hash FROM passwords WHERE user_id = u.id) AS hash
     FROM users u JOIN user_search s ON s.user_id = u.id WHERE u.id = $1`,
    [userId],
  );
  return row;
}
