// Opens an organization that invites, with a real mailbox, for the tests of invitations.
import type { Test } from 'tap';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccountWithoutOrganization, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { lookupOf } from '../../support/personal.ts';
import { type Mailbox, openMailbox, tokenIn } from '../../support/servers/mailbox.ts';
import { openService, type Service } from '../../support/service.ts';

export interface Inviting {
  readonly database: TestDatabase;
  readonly mailbox: Mailbox;
  readonly service: Service;
  readonly api: Api;
  readonly owner: Account;
  /** Sends an invitation and returns the answer. The owner invites unless another token is given. */
  invite(email: string, role?: string, token?: string): Promise<Reply>;
  /** Sends an invitation and reads the token from its mail. */
  invited(email: string, role?: string, token?: string): Promise<{ id: string; token: string }>;
}

let people = 0;

/** An e-mail address that no account has. */
export function freshEmail(name = 'guest'): string {
  people += 1;
  return `${name}-${process.pid}-${people}@example.com`;
}

export const PASSWORD = 'seven green bicycles';

/** The request body with which a new user accepts an invitation. */
export function registering(token: string, name = 'Grace Hopper') {
  return { token, name, password: PASSWORD };
}

/** Opens a service with a mailbox and an organization that may have 1,000 members. */
export async function openInviting(t: Test, settings: Record<string, string> = {}): Promise<Inviting> {
  const database = await createDatabase(t);
  const mailbox = await openMailbox(t);
  const service = await openService(t, database, {
    SMTP_URL: mailbox.url,
    INVITATION_MAILS_PER_DAY: '100000',
    ...settings,
  });
  const owner = await newProvenAccount(service.api, database);
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

/** Lets the subscription of an organization allow `seats` members. */
export async function setSeats(database: TestDatabase, organizationId: string, seats: number): Promise<void> {
  await database.query(
    `UPDATE subscriptions SET limits = jsonb_set(limits, '{teamMembers}', to_jsonb($2::int)) WHERE organization_id = $1`,
    [organizationId, seats],
  );
}

/** Registers a new user who accepts an invitation. Returns the account with its tokens. */
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

/** A user with a proven mailbox who can join and leave repeatedly, without a password hash each time. */
export interface Guest {
  readonly email: string;
  readonly userId: string;
  accept(token: string): Promise<Reply>;
  /** Ends the membership that `accept` created. */
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
      // An address gets at most five mails a day, so the earlier mails are dated two days back.
      await database.query(
        `UPDATE outbox SET created_at = created_at - interval '2 days' WHERE recipient_lookup = $1`,
        [lookupOf('outbox.recipient', email)],
      );
    },
  };
}

export const statusesOf = (replies: readonly Reply[]) => replies.map(({ status }) => status).sort();
export const codesOf = (replies: readonly Reply[]) =>
  replies.flatMap(({ code }) => (code === null ? [] : [code])).sort();
