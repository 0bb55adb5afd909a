// A request of each kind that takes an Idempotency-Key, for the tests of repeats.
import { randomUUID } from 'node:crypto';
import type { Test } from 'tap';
import type { Api, Reply } from '../../support/client.ts';
import type { TestDatabase } from '../../support/database.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { openTeam, type Team } from '../../support/fixtures/team.ts';

export interface KeyedRequest {
  /** The name of the operation in the API reference. */
  readonly id: string;
  readonly path: string;
  readonly token?: string;
  readonly body: Record<string, unknown>;
  /** Another body for the same route. */
  readonly otherBody: Record<string, unknown> | null;
  /** The table, and perhaps a condition, by which a test counts what the request creates. */
  readonly count: string;
}

export interface Keyed extends Team {
  readonly owner: string;
  readonly requests: readonly KeyedRequest[];
}

export function newKey(): string {
  return randomUUID();
}

let made = 0;

/** Sends the request with the key. */
export function send(
  api: Api,
  { path, token, body }: Pick<KeyedRequest, 'path' | 'token' | 'body'>,
  key: string,
): Promise<Reply> {
  return api.post(path, body, { ...(token === undefined ? {} : { token }), headers: { 'idempotency-key': key } });
}

export async function countOf(database: TestDatabase, { count }: Pick<KeyedRequest, 'count'>): Promise<number> {
  const [row] = await database.query<{ count: number }>(`SELECT count(*)::int AS count FROM ${count}`);
  return row?.count ?? -1;
}

/** The requests of a team. Each call makes requests that have not been sent before. */
export async function requestsOf({ api }: Pick<Team, 'api'>, owner: string): Promise<KeyedRequest[]> {
  made += 1;
  const n = made;
  const client = (await api.post('/clients', { name: `seed ${n}`, permissions: [] }, { token: owner })).body.data.id;
  const invited = { email: `seed-${n}@example.com`, roles: [{ role: 'agent' }] };
  const invitation = (await api.post('/invitations', invited, { token: owner })).body.data.id;
  const { accessToken } = await newAccountWithoutOrganization(api);
  const register = {
    email: `register-${n}@example.com`,
    password: `a long password ${n}`,
    name: 'Ada',
    organizationName: `Registered ${n}`,
  };
  const invite = (path: string, id: string, email: string): KeyedRequest => ({
    id,
    path,
    token: owner,
    body: { email, roles: [{ role: 'agent' }] },
    otherBody: { email: `other-${email}`, roles: [{ role: 'agent' }] },
    count: "events WHERE type IN ('invitation.created', 'invitation.renewed')",
  });
  const organization = (path: string, id: string): KeyedRequest => ({
    id,
    path,
    token: accessToken,
    body: { name: `Created ${n}` },
    otherBody: { name: `Other ${n}` },
    count: 'organizations',
  });
  return [
    {
      id: 'register',
      path: '/auth/register',
      body: register,
      otherBody: { ...register, password: 'another password' },
      count: 'users',
    },
    organization('/organizations', 'createOrganization'),
    organization('/tenants', 'createTenant'),
    {
      id: 'createRole',
      path: '/roles',
      token: owner,
      body: { name: `role-${n}`, level: 1, permissions: ['deals:read'] },
      otherBody: { name: `other-${n}`, level: 1, permissions: [] },
      count: 'roles',
    },
    {
      id: 'createClient',
      path: '/clients',
      token: owner,
      body: { name: `client ${n}`, permissions: [] },
      otherBody: { name: `other ${n}`, permissions: [] },
      count: 'clients',
    },
    {
      id: 'rotateClientSecret',
      path: `/clients/${client}/secret`,
      token: owner,
      body: { overlapSeconds: 60 },
      otherBody: { overlapSeconds: 61 },
      count: 'client_secrets',
    },
    invite('/invitations', 'createInvitation', `invited-${n}@example.com`),
    invite('/users', 'inviteUser', `user-${n}@example.com`),
    {
      id: 'resendInvitation',
      path: `/invitations/${invitation}/resend`,
      token: owner,
      body: {},
      otherBody: null,
      count: 'outbox',
    },
  ];
}

export async function openKeyed(t: Test): Promise<Keyed> {
  const team = await openTeam(t);
  const owner = (await team.join('owner')).token;
  return { ...team, owner, requests: await requestsOf(team, owner) };
}
