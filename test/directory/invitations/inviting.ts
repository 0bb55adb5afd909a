// An organization that invites, with a real mailbox: what every test of invitations begins with.
import type { Test } from 'tap';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { type Mailbox, openMailbox, tokenIn } from '../../support/servers/mailbox.ts';
import { openService, type Service } from '../../support/service.ts';

export interface Inviting {
  readonly database: TestDatabase;
  readonly mailbox: Mailbox;
  readonly service: Service;
  readonly api: Api;
  readonly owner: Account;
  /** Invites by the owner, unless told otherwise, and gives the answer. */
  invite(email: string, role?: string, token?: string): Promise<Reply>;
  /** Invites and reads the token out of the mail. */
  invited(email: string, role?: string, token?: string): Promise<{ id: string; token: string }>;
}

let people = 0;

/** An e-mail that nobody has yet. */
export function freshEmail(name = 'guest'): string {
  people += 1;
  return `${name}-${process.pid}-${people}@example.com`;
}

export const PASSWORD = 'seven green bicycles';

/** What a new user sends to accept. */
export function registering(token: string, name = 'Grace Hopper') {
  return { token, name, password: PASSWORD };
}

/** Opens everything; the organization has a thousand seats. */
export async function openInviting(t: Test, settings: Record<string, string> = {}): Promise<Inviting> {
  const database = await createDatabase(t);
  const mailbox = await openMailbox(t);
  const service = await openService(t, database, {
    SMTP_URL: mailbox.url,
    INVITATION_MAILS_PER_DAY: '100000',
    ...settings,
  });
  const owner = await newAccount(service.api);
  await setSeats(database, owner.organization.id, 1000);
  const invite = (email: string, role = 'agent', token = owner.accessToken) =>
    service.api.post('/invitations', { email, roles: [{ role }] }, { token });
  return {
    database,
    mailbox,
    service,
    api: service.api,
    owner,
    invite,
    async invited(email, role, token) {
      const reply = await invite(email, role, token);
      if (reply.status !== 201) throw new Error(`inviting answered ${reply.status}: ${reply.text}`);
      return { id: reply.body.data.id, token: tokenIn(await mailbox.next(email)) };
    },
  };
}

/** Lets the subscription of an organization allow so many members. */
export async function setSeats(database: TestDatabase, organizationId: string, seats: number): Promise<void> {
  await database.query(
    `UPDATE subscriptions SET limits = jsonb_set(limits, '{teamMembers}', to_jsonb($2::int)) WHERE organization_id = $1`,
    [organizationId, seats],
  );
}

/** Joins by registering a new user; gives the sign-in answer. */
export async function joined(inviting: Inviting, role: string, email = freshEmail(role)): Promise<Account> {
  const { token } = await inviting.invited(email, role);
  const reply = await inviting.api.post('/invitations/accept', registering(token));
  if (reply.status !== 200) throw new Error(`accepting answered ${reply.status}: ${reply.text}`);
  const { data } = reply.body;
  return { ...data, email, password: PASSWORD, userId: data.user.id };
}

/** How many members an organization has. */
export async function countMembers(database: TestDatabase, organizationId: string): Promise<number> {
  const [row] = await database.query<{ total: number }>(
    'SELECT count(*)::int AS total FROM memberships WHERE organization_id = $1',
    [organizationId],
  );
  return row?.total ?? 0;
}

/** A user with a proven mailbox who joins and is let go again, round by round, without a hash being computed. */
export interface Guest {
  readonly email: string;
  readonly userId: string;
  accept(token: string): Promise<Reply>;
  /** Ends the membership that a round has brought. */
  letGo(): Promise<void>;
}

/** Registers a guest. */
export async function openGuest({ api, database, owner }: Inviting): Promise<Guest> {
  const { email, userId, accessToken } = await newAccountWithoutOrganization(api, { email: freshEmail() });
  await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [userId]);
  let token = accessToken;
  return {
    email,
    userId,
    async accept(invitation) {
      const reply = await api.post('/invitations/accept', { token: invitation }, { token });
      if (reply.status === 200) token = reply.body.data.accessToken;
      return reply;
    },
    async letGo() {
      await database.query('DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2', [
        userId,
        owner.organization.id,
      ]);
      // An address gets five mails a day: these were sent the day before yesterday.
      await database.query(`UPDATE outbox SET created_at = created_at - interval '2 days' WHERE recipient_key = $1`, [
        email,
      ]);
    },
  };
}

export const statusesOf = (replies: readonly Reply[]) => replies.map(({ status }) => status).sort();
export const codesOf = (replies: readonly Reply[]) =>
  replies.flatMap(({ code }) => (code === null ? [] : [code])).sort();
