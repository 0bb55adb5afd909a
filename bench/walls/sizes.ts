// `npm run bench:sizes` measures the time of operations whose work may grow with the size of an organization, or with
// the number of a person's organizations. README.md explains the figures.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { asAdmin, type Query } from '../../scripts/prove/database.ts';
import { ROOT, type Testbed, withTestbed } from '../../scripts/prove/testbed.ts';
import { type Api, openApi, type Reply } from '../../test/support/client.ts';
import { personalIn } from '../../test/support/personal.ts';
import { insertMembers } from './members.ts';

const { values: options } = parseArgs({
  options: { members: { type: 'string', default: '100000' }, organizations: { type: 'string', default: '10000' } },
});
const MEMBERS = Number(options.members);
const ORGANIZATIONS = Number(options.organizations);
const PASSWORD = 'correct horse battery walls';

// $1 organization, $2 ids of people, $3 a role of the organization. Each member also has the system role viewer, an
// open session and one that ended long ago. There are as many pending invitations with the role: $4 their ids, $5 their
// sealed e-mail addresses.
const SEED = `
WITH members AS (
  INSERT INTO memberships (organization_id, user_id) SELECT $1::uuid, unnest($2::uuid[]) RETURNING user_id
),
sitting AS (
  INSERT INTO sessions (id, user_id, organization_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed,
    confirmed_at, revoked_at, revoked_reason)
  SELECT gen_random_uuid(), user_id, $1, '{pwd}', t, t, t + interval '30 days', t + interval '30 days', gen_random_uuid(), t,
    CASE WHEN old THEN t END, CASE WHEN old THEN 'logout' END
  FROM members, LATERAL (VALUES (now(), false), (now() - interval '90 days', true)) AS s (t, old)
),
invited AS (
  INSERT INTO invitations (id, organization_id, email_sealed, email_lookup, expires_at)
  SELECT id, $1, decode(sealed, 'base64'), sha256(id::text::bytea), now() + interval '1 day'
  FROM unnest($4::uuid[], $5::text[]) AS i (id, sealed)
  RETURNING id
),
offered AS (
  INSERT INTO invitation_roles (organization_id, invitation_id, role_id, role_owner_key) SELECT $1, id, $3::uuid, $1 FROM invited
)
INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
SELECT gen_random_uuid(), $1, m.user_id, r.id, r.owner_key FROM members m, roles r
WHERE r.id = $3::uuid OR (r.name = 'viewer' AND r.organization_id IS NULL)`;

// $1 person, $2 number of organizations, which the person owns.
const SEED_ORGANIZATIONS = `
WITH made AS (
  INSERT INTO organizations (id, name, slug) SELECT gen_random_uuid(), 'Many ' || n, 'many-' || n FROM generate_series(1, $2::int) n
  RETURNING id
),
joined AS (INSERT INTO memberships (organization_id, user_id) SELECT id, $1::uuid FROM made RETURNING organization_id)
INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
SELECT gen_random_uuid(), j.organization_id, $1, r.id, r.owner_key FROM joined j, roles r WHERE r.name = 'owner' AND r.organization_id IS NULL`;

interface Bench {
  readonly testbed: Testbed;
  readonly api: Api;
  readonly query: Query;
}

async function timed(name: string, work: () => Promise<Reply | string | undefined>): Promise<Reply | undefined> {
  const begun = performance.now();
  const done = await work();
  const milliseconds = performance.now() - begun;
  const answer = typeof done === 'string' ? done : done ? `${done.status} ${done.code ?? ''}` : '';
  console.log(`${milliseconds.toFixed(0).padStart(8)}  ${name.padEnd(64)}${answer}`);
  return typeof done === 'string' ? undefined : done;
}

async function untilNone(query: Query, ...asked: Parameters<Query>): Promise<void> {
  while ((await query(...asked)).length > 0) await new Promise((resolve) => setTimeout(resolve, 250));
}

async function register(api: Api, name: string) {
  const account = { email: `${name}@example.com`, password: PASSWORD, name };
  const { body } = await api.post('/auth/register', { ...account, organizationName: name });
  return body.data as {
    accessToken: string;
    refreshToken: string;
    user: { id: string };
    organization: { id: string };
  };
}

/** Runs a command of the command line in a process of its own. */
async function command({ testbed }: Bench, ...args: string[]): Promise<string> {
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      DATABASE_URL: testbed.postgres.ownerUrl,
      KEYS_DIR: testbed.keysDirectory,
      DATA_DIR: testbed.folder,
    },
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => output.push(String(chunk)));
  const [status] = await once(child, 'close');
  const last = output.join('').trim().split('\n').at(-1)?.slice(0, 60);
  return `exit ${status}${status === 0 ? '' : `: ${last}`}`;
}

async function members(bench: Bench) {
  const { api, query } = bench;
  const owner = await register(api, 'large');
  const token = { token: owner.accessToken };
  const id = owner.organization.id;
  const role = await api.post('/roles', { name: 'sales', level: 1, permissions: ['deals:read'] }, token);
  const roleId: string = role.body.data.id;
  const personal = await personalIn(bench.testbed.keysDirectory);
  const ids = await insertMembers({ query }, personal, { name: 'member', count: MEMBERS });
  const invitations = ids.map(() => randomUUID());
  const sealed = invitations.map((each) => personal.seal('invitations.email', each, `${each}@x.example`));
  await query(SEED, [id, ids, roleId, invitations, sealed]);
  await query(`UPDATE subscriptions SET limits = limits || '{"teamMembers": 1000000}'`);
  await query('VACUUM (ANALYZE)');
  const last = ids.at(-1);
  const member = `/users/${last}`;
  const get = (path: string) => timed(`GET ${path}`, () => api.get(path, token));
  await get('/users');
  await get('/users?q=nobody');
  await get('/users?role=sales');
  await get(`/users?offset=${MEMBERS - 10}`);
  await get('/roles');
  await get(`/roles/${roleId}`);
  await get('/invitations');
  await get('/organizations/current/subscription');
  const ask = (resource: string) => ({ userId: last, resource, action: 'read' });
  await timed('POST /authz/check', () => api.post('/authz/check', ask('deals'), token));
  await timed('PATCH of a member', () => api.patch(member, { roles: [{ role: 'agent' }] }, token));
  await timed('suspending a member', () => api.patch(member, { status: 'suspended' }, token));
  await timed('ending the sessions of a member', () => api.delete(`${member}/sessions`, token));
  await timed('removing a member', () => api.delete(member, token));
  const invitation = { email: 'new@example.com', roles: [{ role: 'sales' }] };
  const invited = await timed('inviting', () => api.post('/invitations', invitation, token));
  await timed('revoking an invitation', () => api.delete(`/invitations/${invited?.body.data?.id}`, token));
  const login = { email: 'large@example.com', password: PASSWORD };
  await timed('login', () => api.post('/auth/login', login));
  await timed('refresh', () => api.post('/auth/refresh', { refreshToken: owner.refreshToken }));
  await roles(bench, { roleId, token });
  return { owner, token, id };
}

/**
 * Measures changes of a role that all members have. From the answer on, the older tokens of all holders are refused.
 * The epochs of their memberships are raised later.
 */
async function roles({ api, query }: Bench, { roleId, token }: { roleId: string; token: { token: string } }) {
  const path = `/roles/${roleId}`;
  const change = (name: string, body: object) => timed(name, () => api.patch(path, body, token));
  await change('permissions of the role of all members', { permissions: ['deals:write'] });
  const begun = performance.now();
  await untilNone(query, 'SELECT 1 FROM unfinished_role_changes');
  console.log(`          … the last membership is raised ${(performance.now() - begun).toFixed(0)} ms later`);
  await change('name of the role of all members', { name: 'sellers' });
  await change('level of the role of all members', { level: 0 });
  await timed('deleting the role that all members have', () => api.delete(path, token));
  const other = await api.post('/roles', { name: 'unused', level: 1, permissions: ['deals:read'] }, token);
  await timed('deleting a role that nobody has', () => api.delete(`/roles/${other.body.data.id}`, token));
}

/** One person with many organizations. */
async function organizations(bench: Bench) {
  const { api, query } = bench;
  const person = await register(api, 'busy');
  await query(SEED_ORGANIZATIONS, [person.user.id, ORGANIZATIONS]);
  await query('VACUUM (ANALYZE)');
  const token = { token: person.accessToken };
  const login = { email: 'busy@example.com', password: PASSWORD };
  await timed(`login of a person with ${ORGANIZATIONS} organizations`, () => api.post('/auth/login', login));
  await timed('refresh', () => api.post('/auth/refresh', { refreshToken: person.refreshToken }));
  await timed('GET /me', () => api.get('/me', token));
  await timed('GET /me/organizations', () => api.get('/me/organizations', token));
  const organization = { organization: 'many-9' };
  await timed('switching the organization', () => api.post('/auth/switch-organization', organization, token));
  await timed('creating an organization', () => api.post('/organizations', { name: 'One more' }, token));
  await timed('disabling the account', () => command(bench, 'users', 'disable', 'busy@example.com', '--yes'));
}

async function operators(bench: Bench, organizationId: string) {
  const run = (...args: string[]) => timed(`tenantry ${args.join(' ')}`, () => command(bench, ...args));
  await run('roles', 'list');
  await run('users', 'list');
  await run('users', 'list', '--search', 'nobody');
  await run('users', 'list', '--organization', organizationId);
  await run('users', 'list', '--organization', organizationId, '--search', 'nobody');
  await run('orgs', 'list');
  await run('orgs', 'suspend', organizationId, '--yes');
  await run('orgs', 'activate', organizationId);
  await run('roles', 'apply', 'workspace', '--yes');
  await run('roles', 'apply', 'crm', '--yes');
  await run('sessions', 'revoke', '--all', '--yes');
}

async function deletion({ api, query }: Bench, token: { token: string }, organizationId: string) {
  const login = await api.post('/auth/login', { email: 'large@example.com', password: PASSWORD });
  const fresh = { token: login.body.data?.accessToken ?? token.token };
  const begun = performance.now();
  await timed('deleting the organization: refused everywhere at the answer', () =>
    api.delete('/organizations/current', fresh),
  );
  await untilNone(query, 'SELECT 1 FROM organizations WHERE id = $1', [organizationId]);
  console.log(`          … its last row is removed after ${(performance.now() - begun).toFixed(0)} ms`);
}

await withTestbed({ name: 'sizes', disposable: true }, async (testbed) => {
  const service = await testbed.startService();
  await asAdmin(testbed, async (query) => {
    const bench: Bench = { testbed, api: openApi(service.url), query };
    console.log(`      ms  ${MEMBERS} members, as many invitations, twice as many sessions`);
    const { token, id } = await members(bench);
    await organizations(bench);
    await operators(bench, id);
    await deletion(bench, token, id);
  });
  return 'measured';
});
