// Seeds a service with two organizations and all actors, and has a request for each route. actors.test.ts compares the
// answers with the matrix in actors.ts, and ended-session.test.ts repeats the writes with a session that has ended.
import { randomUUID } from 'node:crypto';
import type { TestDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { seedClient, seedClientWithToken } from '../support/fixtures/clients.ts';
import { seedInvitation } from '../support/fixtures/invitations.ts';
import {
  type Person,
  SEEDED_PASSWORD,
  type SeededOrganization,
  seedMembership,
  seedOrganization,
  seedPerson,
  signInPerson,
} from '../support/fixtures/people.ts';
import { seedRole } from '../support/fixtures/roles.ts';
import type { Service } from '../support/service.ts';
import { ACTORS, type Actor } from './actors.ts';

/** The actors that are users. */
type Someone = Exclude<Actor, 'anonymous' | 'client'>;

export interface Seeded {
  readonly own: SeededOrganization;
  readonly other: SeededOrganization;
  readonly people: Readonly<Record<Someone, Person>>;
  readonly tokens: Readonly<Record<Actor, string | undefined>>;
  readonly refreshTokens: Readonly<Record<string, string>>;
}

/** Creates two organizations, and gets a token for each actor except `anonymous`. Then it suspends `suspended`. */
export async function seedActors({ api, app }: Service, database: TestDatabase): Promise<Seeded> {
  const [own, other] = [await seedOrganization(database), await seedOrganization(database)];
  const names = ACTORS.filter((actor) => actor !== 'anonymous' && actor !== 'client');
  const people = {} as Record<Someone, Person>;
  const tokens: Record<string, string> = {};
  const refreshTokens: Record<string, string> = {};
  for (const actor of names) {
    const person = await seedPerson(database, actor);
    people[actor] = person;
    if (actor === 'platform') {
      await database.query('INSERT INTO platform_administrators (user_id) VALUES ($1)', [person.userId]);
    } else {
      const role = actor === 'foreign' ? 'owner' : actor === 'suspended' ? 'agent' : actor;
      await seedMembership(database, {
        organizationId: actor === 'foreign' ? other.id : own.id,
        userId: person.userId,
        role,
      });
    }
    const signed = await signInPerson(api, person);
    tokens[actor] = signed.accessToken;
    refreshTokens[actor] = signed.refreshToken;
  }
  const client = await seedClientWithToken(app, database, { organizationId: own.id, permissions: ['*:*'] });
  tokens.client = client.token;
  const suspend = await api.patch(
    `/users/${people.suspended.userId}`,
    { status: 'suspended' },
    { token: tokens.owner ?? '' },
  );
  if (suspend.status !== 200) throw new Error(`suspending answered ${suspend.status}: ${suspend.text}`);
  return { own, other, people, tokens: tokens as Seeded['tokens'], refreshTokens };
}

export interface Asked {
  readonly path?: string;
  readonly body?: unknown;
  /** Whether the request is sent without the actor's token, as to the sign-in routes. */
  readonly bare?: boolean;
}

type Prepare = (seeded: Seeded, actor: Actor, service: Service, database: TestDatabase) => Asked | Promise<Asked>;

/** Creates a member of the first organization, whom the actors try to change or remove. */
async function freshMember(seeded: Seeded, { api }: Service, database: TestDatabase) {
  const person = await seedPerson(database, 'Target');
  await seedMembership(database, { organizationId: seeded.own.id, userId: person.userId, role: 'viewer' });
  return { person, ...(await signInPerson(api, person)) };
}

async function freshInvitation(seeded: Seeded, database: TestDatabase): Promise<string> {
  const email = `${randomUUID()}@example.com`;
  const invitation = { email, role: 'viewer', invitedBy: seeded.people.owner.userId };
  return (await seedInvitation(database, seeded.own.id, invitation)).id;
}

const invite = () => ({ body: { email: `${randomUUID()}@example.com`, roles: [{ role: 'viewer' }] } });
const aboutMember: Prepare = async (seeded, _actor, service, database) => ({
  path: `/users/${(await freshMember(seeded, service, database)).person.userId}`,
});
const aboutRole: Prepare = async (seeded, _actor, _service, database) => {
  const role = { name: `r${randomUUID().slice(0, 8)}`, level: 1, permissions: ['contacts:read'] };
  return { path: `/roles/${await seedRole(database, seeded.own.id, role)}` };
};
const aboutClient: Prepare = async (seeded, _actor, _service, database) => ({
  path: `/clients/${(await seedClient(database, { organizationId: seeded.own.id })).id}`,
});
const aboutInvitation: Prepare = async (seeded, _actor, _service, database) => ({
  path: `/invitations/${await freshInvitation(seeded, database)}`,
});

const withBody =
  (prepare: Prepare, body: unknown): Prepare =>
  async (...given) => ({ ...(await prepare(...given)), body });
const withTail =
  (prepare: Prepare, tail: string): Prepare =>
  async (...given) => {
    const asked = await prepare(...given);
    return { ...asked, path: `${asked.path}${tail}` };
  };

const found = () => ({ body: { name: `Founded ${randomUUID()}` } });

/** The request for each route. A route that is not listed here gets a request without a body. */
export const REQUESTS: Readonly<Record<string, Prepare>> = {
  'POST /api/v1/auth/register': () => ({
    bare: true,
    body: { email: `${randomUUID()}@example.com`, password: 'a long enough phrase', name: 'New' },
  }),
  'POST /api/v1/auth/login': async (_seeded, _actor, { api }) => {
    const { email, password } = await newAccount(api);
    return { bare: true, body: { email, password } };
  },
  'POST /api/v1/auth/forgot-password': () => ({ bare: true, body: { email: `${randomUUID()}@example.com` } }),
  'POST /api/v1/auth/reset-password': () => ({
    bare: true,
    body: { token: 'A'.repeat(43), password: 'a long enough phrase' },
  }),
  'POST /api/v1/auth/refresh': async (_seeded, _actor, { api }) => {
    const { refreshToken } = await newAccount(api);
    return { body: { refreshToken } };
  },
  'POST /api/v1/auth/verify-email': () => ({ body: { token: 'A'.repeat(43) }, bare: true }),
  'POST /api/v1/auth/logout': () => ({ body: {} }),
  'POST /api/v1/auth/switch-organization': ({ other }) => ({ body: { organization: other.slug } }),
  'POST /api/v1/auth/reauthenticate': () => ({ body: { password: 'wrong' } }),
  'POST /api/v1/me/password': () => ({
    body: { currentPassword: 'wrong', newPassword: 'four other unrelated words' },
  }),
  'POST /api/v1/me/email': () => ({ body: { newEmail: 'another@other.example' } }),
  'POST /api/v1/auth/confirm-email-change': () => ({ body: { token: 'A'.repeat(43) } }),
  'POST /api/v1/auth/revert-email': () => ({ body: { token: 'A'.repeat(43) }, bare: true }),
  'POST /api/v1/invitations/accept': () => ({
    body: { token: 'A'.repeat(43), name: 'Nobody', password: 'a long enough phrase' },
    bare: true,
  }),
  'PATCH /api/v1/me': () => ({ body: { name: 'Renamed' } }),
  'DELETE /api/v1/me': () => ({ body: { password: SEEDED_PASSWORD } }),
  'DELETE /api/v1/me/organizations/:id': ({ own }) => ({ path: `/me/organizations/${own.id}` }),
  'DELETE /api/v1/me/sessions/:id': async (seeded, _actor, service, database) => ({
    path: `/me/sessions/${(await freshMember(seeded, service, database)).sessionId}`,
  }),
  'POST /api/v1/organizations': found,
  'POST /api/v1/tenants': found,
  'PATCH /api/v1/organizations/current': () => ({ body: { settings: { theme: randomUUID() } } }),
  'POST /api/v1/users': invite,
  'GET /api/v1/users/:id': aboutMember,
  'PATCH /api/v1/users/:id': withBody(aboutMember, { status: 'suspended' }),
  'DELETE /api/v1/users/:id': aboutMember,
  'GET /api/v1/users/:id/sessions': withTail(aboutMember, '/sessions'),
  'DELETE /api/v1/users/:id/sessions': withTail(aboutMember, '/sessions'),
  'DELETE /api/v1/users/:id/sessions/:sessionId': async (seeded, _actor, service, database) => {
    const { person, sessionId } = await freshMember(seeded, service, database);
    return { path: `/users/${person.userId}/sessions/${sessionId}` };
  },
  'POST /api/v1/invitations': invite,
  'GET /api/v1/invitations/:id': aboutInvitation,
  'POST /api/v1/invitations/:id/resend': withTail(aboutInvitation, '/resend'),
  'DELETE /api/v1/invitations/:id': aboutInvitation,
  'POST /api/v1/roles': () => ({
    body: { name: `r${randomUUID().slice(0, 8)}`, level: 1, permissions: ['contacts:read'] },
  }),
  'GET /api/v1/roles/:id': aboutRole,
  'PATCH /api/v1/roles/:id': withBody(aboutRole, { description: 'changed' }),
  'DELETE /api/v1/roles/:id': aboutRole,
  'POST /api/v1/clients': () => ({ body: { name: 'exporter', permissions: ['contacts:read'] } }),
  'GET /api/v1/clients/:id': aboutClient,
  'PATCH /api/v1/clients/:id': withBody(aboutClient, { status: 'disabled' }),
  'DELETE /api/v1/clients/:id': aboutClient,
  'POST /api/v1/clients/:id/secret': withTail(aboutClient, '/secret'),
  'DELETE /api/v1/clients/:id/secret': withTail(aboutClient, '/secret'),
  'POST /api/v1/authz/check': ({ people }) => ({
    body: { userId: people.agent.userId, resource: 'contacts', action: 'read' },
  }),
  'POST /api/v1/authz/check/batch': ({ people }) => ({
    body: { checks: [{ userId: people.agent.userId, resource: 'contacts', action: 'read' }] },
  }),
  'GET /api/v1/admin/organizations/:id': ({ own }) => ({ path: `/admin/organizations/${own.id}` }),
  'POST /api/v1/admin/organizations/:id/suspend': async (_seeded, _actor, _service, database) => ({
    path: `/admin/organizations/${(await seedOrganization(database)).id}/suspend`,
  }),
  'POST /api/v1/admin/organizations/:id/activate': ({ own }) => ({ path: `/admin/organizations/${own.id}/activate` }),
};
