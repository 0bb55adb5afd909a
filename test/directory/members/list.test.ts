// The list of members: content, search, filters and pages, and the query plan.
import pg from 'pg';
import t, { type Test } from 'tap';
import { LIST } from '../../../src/directory/members/list-store.ts';
import type { Api } from '../../support/client.ts';
import type { TestDatabase } from '../../support/database.ts';
import { seedPerson } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { furtherTeam, openTeam } from '../../support/fixtures/team.ts';
import { UNREAD_USER } from '../../support/personal.ts';

interface Shown {
  readonly id: string;
  readonly name: string;
}

/** Inserts members who joined one second apart. */
async function seedMembers(database: TestDatabase, organizationId: string, names: readonly string[]) {
  const ids: string[] = [];
  for (const [index, name] of names.entries()) {
    const { userId } = await seedPerson(database, name);
    await database.query(
      `INSERT INTO memberships (organization_id, user_id, joined_at) VALUES ($1, $2, now() + $3 * interval '1 s')`,
      [organizationId, userId, index + 1],
    );
    await assignRole(database, { organizationId, userId, role: 'viewer' });
    ids.push(userId);
  }
  return ids;
}

async function namesOf(api: Api, token: string, query: Record<string, string>): Promise<string[]> {
  const reply = await api.get(`/users?${new URLSearchParams(query)}`, { token });
  if (reply.status !== 200) throw new Error(`${reply.status} ${reply.text}`);
  const names = reply.body.data.map(({ name }: Shown) => name);
  if (reply.body.pagination.total !== names.length) throw new Error('the total differs');
  return names;
}

t.test('the list shows only the members of the current organization, in the order in which they joined', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner', 'Olga');
  const agent = await join('agent', 'Anton');
  await assignRole(
    database,
    { organizationId: organization.id, userId: agent.userId, role: 'admin' },
    { projectId: 'p1', large: true },
  );
  const others = await furtherTeam(database, api);
  await others.join('owner', 'Stranger');
  const { status, body } = await api.get('/users', { token: agent.token });
  t.equal(status, 200);
  t.same(body.pagination, { total: 2, limit: 20, offset: 0, hasMore: false });
  const { joinedAt, ...first } = body.data[0];
  t.match(joinedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  t.match(first, { id: owner.userId, email: owner.email, name: 'Olga', status: 'active' });
  t.match(body.data[1], { id: agent.userId, name: 'Anton' });
  t.same(
    body.data[1].roles.map(({ name, scope }: { name: string; scope: object }) => ({ name, scope })),
    [
      { name: 'admin', scope: { projectId: 'p1', large: true } },
      { name: 'agent', scope: {} },
    ],
    'all roles and their scopes are listed, the highest role first',
  );
  t.same(
    Object.keys(body.data[0]).sort(),
    ['email', 'id', 'joinedAt', 'name', 'roles', 'status'],
    'no other field is listed',
  );
  const one = await api.get(`/users/${agent.userId}`, { token: owner.token });
  t.same(one.body.data, body.data[1], 'reading one member returns the same fields');
});

t.test('the list needs users:read and an organization', async (t) => {
  const { api, database, join } = await openTeam(t);
  const viewer = await join('viewer');
  t.match(await api.get('/users', { token: viewer.token }), { status: 403, code: 'permission_denied' });
  t.match(await api.get(`/users/${viewer.userId}`, { token: viewer.token }), {
    status: 403,
    code: 'permission_denied',
  });
  t.match(await api.get('/users'), { status: 401, code: 'unauthenticated' });
  const stranger = await (await furtherTeam(database, api)).join('owner');
  const ids = [viewer.userId, '01970000-0000-7000-8000-000000000000'];
  const answers = await Promise.all(ids.map((id) => api.get(`/users/${id}`, { token: stranger.token })));
  t.match(answers, [{ status: 404, code: 'not_found' }, { status: 404 }]);
  t.equal(answers[0]?.body.detail, answers[1]?.body.detail, 'an unknown user gets the same answer');
  t.equal((await api.get('/users/1', { token: stranger.token })).status, 422);
});

t.test('the search finds parts of names and e-mails in any letter case, and has no wildcards', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const { token, email } = await join('owner', 'Olga');
  await seedMembers(database, organization.id, [
    'Élodie ŻAK',
    'élan',
    '100% Sure',
    'a_b',
    'axb',
    'back\\slash',
    "O'Hara",
  ]);
  const found = (q: string) => namesOf(api, token, { q });
  t.same(await found('ÉL'), ['Élodie ŻAK', 'élan']);
  t.same(await found('e\u0301LODIE ż'), ['Élodie ŻAK'], 'both forms of Unicode find it');
  t.same(await found('0%'), ['100% Sure'], 'a wildcard of LIKE matches only itself');
  t.same(await found('%'), ['100% Sure']);
  t.same(await found('_'), ['a_b']);
  t.same(await found('\\'), ['back\\slash']);
  t.same(await found("'"), ["O'Hara"]);
  t.same(await found(email.toUpperCase()), ['Olga']);
  t.same(await found('nobody'), []);
  for (const q of ['', ' ', 'x'.repeat(121), 'a\u0000b', 'a\nb']) {
    t.equal(
      (await api.get(`/users?${new URLSearchParams({ q })}`, { token })).status,
      422,
      JSON.stringify(q.slice(0, 5)),
    );
  }
  t.equal((await api.get('/users?q=a&q=b', { token })).status, 422);
  t.equal((await api.get('/users?organizationId=x', { token })).status, 422);
});

t.test('the filters status and role can be combined with each other and with the search', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const { token } = await join('owner', 'Olga');
  const [one = '', two = ''] = await seedMembers(database, organization.id, ['One', 'Two', 'Three']);
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [two]);
  const custom = await seedRole(database, organization.id, { name: 'dispatcher', level: 5, permissions: [] });
  for (const userId of [one, two])
    await assignRole(database, { organizationId: organization.id, userId, role: 'dispatcher' }, { at: userId });
  t.same(await namesOf(api, token, { status: 'suspended' }), ['Two']);
  t.same(await namesOf(api, token, { status: 'active' }), ['Olga', 'One', 'Three']);
  t.same(await namesOf(api, token, { role: 'dispatcher' }), ['One', 'Two'], 'by name');
  t.same(await namesOf(api, token, { role: custom.toUpperCase() }), ['One', 'Two'], 'by id');
  t.same(await namesOf(api, token, { role: 'dispatcher', status: 'active', q: 'ON' }), ['One']);
  t.same(await namesOf(api, token, { role: 'unknown' }), []);
  const foreign = await furtherTeam(database, api);
  const theirs = await seedRole(database, foreign.organization.id, { name: 'theirs', level: 5, permissions: [] });
  t.same(await namesOf(api, token, { role: theirs }), [], 'a role of another organization matches no one');
  for (const query of ['status=gone', 'role=Not%20a%20role', 'role=', 'sort=name']) {
    t.equal((await api.get(`/users?${query}`, { token })).status, 422, query);
  }
});

t.test('pages neither repeat nor miss members who joined at the same instant, and contain the total', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const { token, userId } = await join('owner');
  const ids = await seedMembers(database, organization.id, ['1', '2', '3', '4', '5', '6']);
  await database.query(`UPDATE memberships SET joined_at = '2026-01-01' WHERE user_id <> $1`, [userId]);
  const paged: string[] = [];
  for (const offset of [0, 3, 6]) {
    const { body } = await api.get(`/users?limit=3&offset=${offset}`, { token });
    t.same(body.pagination, { total: 7, limit: 3, offset, hasMore: offset < 6 });
    paged.push(...body.data.map(({ id }: Shown) => id));
  }
  t.same(paged, [...ids.sort(), userId]);
  const past = await api.get('/users?limit=3&offset=30&status=active', { token });
  t.same(past.body, { data: [], pagination: { total: 7, limit: 3, offset: 30, hasMore: false } });
  const none = await api.get('/users?limit=3&q=nobody', { token });
  t.same(none.body.pagination, { total: 0, limit: 3, offset: 0, hasMore: false });
});

/** Inserts 6,000 users in 600 organizations. Returns one of the organizations. */
async function insertThousands(database: TestDatabase): Promise<string> {
  await database.query(`INSERT INTO organizations (id, name, slug)
    SELECT gen_random_uuid(), 'Crowd', 'crowd-' || n FROM generate_series(1, 600) n`);
  await database.query(`INSERT INTO users (id, ${UNREAD_USER.columns})
    SELECT gen_random_uuid(), ${UNREAD_USER.values("'crowd-' || n")} FROM generate_series(1, 6000) n`);
  await database.query(`INSERT INTO memberships (organization_id, user_id) SELECT o.id, u.id
    FROM (SELECT id, row_number() OVER () AS n FROM organizations WHERE name = 'Crowd') o
    JOIN (SELECT id, row_number() OVER () AS n FROM users WHERE email_sealed = '\\x00') u ON u.n % 600 = o.n - 1`);
  await database.query(`INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
    SELECT gen_random_uuid(), m.organization_id, m.user_id, r.id, r.owner_key FROM memberships m
    JOIN roles r ON r.organization_id IS NULL AND r.name = 'agent'`);
  await database.query('ANALYZE');
  const [row] = await database.query<{ id: string }>(`SELECT id FROM organizations WHERE slug = 'crowd-7'`);
  return row?.id ?? '';
}

async function planOf(t: Test, database: TestDatabase, organizationId: string, values: unknown[], mode: string) {
  const client = new pg.Client({ connectionString: database.appUrl });
  await client.connect();
  t.teardown(() => client.end());
  await client.query(`SET plan_cache_mode = ${mode}`);
  await client.query(
    "SELECT set_config('app.current_org_id', $1, false), set_config('app.current_user_id', '', false)",
    [organizationId],
  );
  await client.query(`PREPARE asked (uuid, text, text, int, int) AS ${LIST.text}`);
  const literals = [organizationId, ...values].map((value) =>
    value === null ? 'NULL' : client.escapeLiteral(String(value)),
  );
  const { rows } = await client.query(`EXPLAIN EXECUTE asked (${literals.join(', ')})`);
  return rows.map((row) => row['QUERY PLAN'] as string).join('\n');
}

t.test('no page needs a full table scan', async (t) => {
  const { database } = await openTeam(t);
  const organizationId = await insertThousands(database);
  const asked = { page: [null, null], status: ['active', null], all: ['active', 'agent'] };
  for (const [what, filter] of Object.entries(asked)) {
    for (const mode of ['force_custom_plan', 'force_generic_plan']) {
      const plan = await planOf(t, database, organizationId, [...filter, 20, 0], mode);
      t.notMatch(plan, /Seq Scan on (memberships|users|role_assignments|organizations)/, `${what}, ${mode}`);
      t.match(
        plan,
        /memberships_(pkey|joined_at_idx)/,
        `${what}, ${mode}: by an index that begins with the organization`,
      );
    }
  }
});
