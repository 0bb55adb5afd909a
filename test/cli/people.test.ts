// The commands about users and organizations (users, sessions, orgs), on the database of a running service.
import t, { type Test } from 'tap';
import type { Api } from '../support/client.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { lookupOf } from '../support/personal.ts';
import { eventsAbout } from '../support/rows.ts';
import { openService } from '../support/service.ts';
import { type Cli, cliOn } from './command-line.ts';

interface Setup {
  readonly database: TestDatabase;
  readonly cli: Cli;
  readonly api: Api;
  /** Makes the service read the revocations of the command, as it does every second. */
  readonly synchronize: () => Promise<void>;
}

async function openSetup(t: Test): Promise<Setup> {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  return { database, cli: cliOn(database), api, synchronize: () => app.parts.revocations.synchronize() };
}

const PASSWORD = 'gravel umbrella tuesday';

t.test('an operator creates accounts that can sign in, and members who have the given roles', async (t) => {
  const { database, cli, api } = await openSetup(t);
  const owner = await newAccount(api);
  const { slug } = owner.organization;
  const member = ['users', 'create', 'grace@example.com', '--name', 'Grace', '--password-stdin'];
  const made = await cli.fed(
    `${PASSWORD}\n`,
    ...member,
    '--organization',
    slug,
    '--role',
    'agent',
    '--verified',
    '--json',
  );
  t.equal(made.status, 0, made.stderr);
  t.match(made.json.data, { email: 'grace@example.com', name: 'Grace', status: 'active', emailVerified: true });
  t.notMatch(made.stdout + made.stderr, PASSWORD);
  t.ok((await eventsAbout(database, made.json.data.id)).includes('user.email_verified'));
  const login = await api.post('/auth/login', { email: 'grace@example.com', password: PASSWORD });
  t.match(login.body.data, { organization: { slug }, roles: ['agent'] });

  for (const [text, pattern] of [
    ['password', /common/],
    ['short', /at least 8/],
    ['grace@example.com', /e-mail address/],
  ] as const) {
    const refused = await cli.fed(text, 'users', 'set-password', 'grace@example.com', '--password-stdin', '--yes');
    t.equal(refused.status, 1);
    t.match(refused.stderr, pattern);
  }
  const taken = await cli.fed(PASSWORD, ...member, '--json');
  t.equal(taken.status, 1);
  t.equal(taken.json.error.code, 'email_taken');
  t.equal((await cli.fed('', ...member, '--json')).json.error.code, 'password_required');

  // The trial has two seats, so the creation of the third account is rolled back as a whole.
  const third = ['users', 'create', 'third@example.com', '--name', 'Third', '--password-stdin', '--json'];
  const full = await cli.fed(PASSWORD, ...third, '--organization', slug, '--role', 'agent');
  t.equal(full.json.error.code, 'team_member_limit');
  t.equal((await cli.fed(PASSWORD, ...third, '--organization', slug, '--role', 'none')).json.error.code, 'not_found');
  const thirds = [lookupOf('users.email', 'third@example.com')];
  t.same(await database.query('SELECT 1 FROM users WHERE email_lookup = $1', thirds), []);
  t.match((await cli('orgs', 'subscription', slug, '--team-members', '3', '--plan', 'team', '--json')).json.data, {
    changed: true,
    organization: { subscription: { plan: 'team', limits: { teamMembers: 3, messages: 100 } } },
    trialExpired: false,
    usage: { teamMembers: 2, pendingInvitations: 0 },
  });
  t.same(
    await database.query(`SELECT actor_id FROM events WHERE type = 'member.joined'`),
    [{ actor_id: null }],
    'the event names no user for an operator’s action',
  );
  const invited = await cli(
    'users',
    'invite',
    'third@example.com',
    '--organization',
    slug,
    '--role',
    'viewer',
    '--json',
  );
  t.match(invited.json.data, { email: 'third@example.com', status: 'pending', invitedBy: null });

  const lowered = await cli('orgs', 'subscription', slug, '--team-members', '1');
  t.match(lowered.stdout, /^team members +3 of 1 \(2 joined, 1 invited\)$/m);
  t.match(lowered.stdout, /^! .*no further members/m);
  const plain = await api.post(
    '/invitations',
    { email: 'x@example.com', roles: ['agent'] },
    { token: owner.accessToken },
  );
  t.match(plain.body.issues, [{ path: 'roles.0', message: 'must be an object such as {"role":"agent"}' }]);

  const listed = await cli('users', 'list', '--search', 'GRACE', '--organization', slug, '--json');
  t.match(listed.json, { data: [{ email: 'grace@example.com' }], pagination: { total: 1 } });
  t.match((await cli('users', 'list')).stdout, /^ID +E-MAIL +NAME +STATUS\n(.*\n){2}$/);
});

t.test('an operator grants roles to a user, and granting the same roles again changes nothing', async (t) => {
  const { cli, api, synchronize } = await openSetup(t);
  const owner = await newAccount(api);
  const other = await newAccount(api);
  const args = ['users', 'grant', other.email, '--organization', owner.organization.id, '--role', 'viewer', '--json'];
  const wrong = await cli(...args.slice(0, -2), 'sales', '--json');
  t.match(wrong.json.error, { code: 'not_found', detail: /no such role here: .*by tenantry roles list/ });
  t.match((await cli(...args)).json.data, { joined: true, added: ['viewer'] });
  t.match((await cli(...args)).json.data, { joined: false, added: [] });
  const refreshed = await api.post('/auth/refresh', {
    refreshToken: other.refreshToken,
    organization: owner.organization.id,
  });
  const { accessToken: token } = refreshed.body.data;
  t.equal((await api.get('/roles', { token })).status, 403);
  t.match((await cli(...args.slice(0, -2), 'owner')).stdout, /has a new role in .*: owner\.\n$/);
  await synchronize();
  t.equal((await api.get('/roles', { token })).code, 'token_stale');
});

t.test('operators give a user the right to administer the platform, and take it away again', async (t) => {
  const { cli, api } = await openSetup(t);
  const { email, accessToken: token } = await newAccount(api);
  const refused = await api.get('/admin/organizations', { token });
  t.equal(refused.status, 403);
  t.match(refused.body.detail, /^For platform administrators only.*tenantry users grant/);
  t.match((await cli('users', 'grant', email, '--platform-admin')).stdout, /administers the platform\.\n/);
  t.equal((await api.get('/admin/organizations', { token })).status, 200);
  t.match((await cli('users', 'grant', email, '--platform-admin')).stdout, /already/);
  t.match((await cli('users', 'grant', email, '--revoke-platform-admin', '--json')).json.data, {
    changed: true,
    user: { platformAdministrator: false },
  });
  t.equal((await api.get('/admin/organizations', { token })).status, 403);
});

t.test('a disabled account is signed out everywhere, and its sessions stay ended when it is enabled', async (t) => {
  const { database, cli, api, synchronize } = await openSetup(t);
  const person = await newAccount(api);
  t.equal((await cli('users', 'disable', person.email, '--json')).json.error.code, 'confirmation_required');
  const disabled = (await cli('users', 'disable', person.email, '--yes', '--json')).json.data;
  t.match(disabled, { changed: true, sessionsEnded: 1, user: { status: 'disabled' } });
  t.match(disabled.ownerless, [{ slug: person.organization.slug }], 'organizations without an owner are named');
  await synchronize();
  t.equal((await api.get('/me', { token: person.accessToken })).status, 401);
  const { refreshToken } = person;
  t.not((await api.post('/auth/refresh', { refreshToken })).status, 200);
  t.equal((await api.post('/auth/login', person)).status, 422, 'an account cannot be the body of a login');
  const credentials = { email: person.email, password: person.password };
  t.equal((await api.post('/auth/login', credentials)).code, 'account_disabled');
  t.match((await cli('users', 'disable', person.email, '--yes')).stdout, /already/);

  // Simulates a session that a sign-in created at the moment of the disabling.
  await database.query('UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL WHERE user_id = $1', [
    person.userId,
  ]);
  t.match((await cli('users', 'enable', person.userId, '--json')).json.data, {
    changed: true,
    user: { status: 'active' },
  });
  t.not((await api.post('/auth/refresh', { refreshToken })).status, 200);
  t.equal((await api.post('/auth/login', credentials)).status, 200);
  const events = await database.query<{ type: string; actor_id: string | null }>(
    `SELECT type, actor_id FROM events WHERE type LIKE 'user.%abled' ORDER BY at`,
  );
  t.same(events, [
    { type: 'user.disabled', actor_id: null },
    { type: 'user.enabled', actor_id: null },
  ]);
});

t.test('a new password ends every session, and the old password no longer works', async (t) => {
  const { cli, api, synchronize } = await openSetup(t);
  const person = await newAccount(api);
  const set = await cli.fed(`${PASSWORD}\r\nmore`, 'users', 'set-password', person.email, '--password-stdin', '--yes');
  t.match(set.stdout, /has a new password; 1 session ended\.\n$/);
  await synchronize();
  t.equal((await api.get('/me', { token: person.accessToken })).status, 401);
  const { email, password } = person;
  t.equal((await api.post('/auth/login', { email, password })).code, 'invalid_credentials');
  t.equal((await api.post('/auth/login', { email, password: PASSWORD })).status, 200);
});

t.test('sessions are listed, and an operator ends one of them or all of a user', async (t) => {
  const { cli, api, synchronize } = await openSetup(t);
  const { email, password, ...first } = await newAccount(api);
  const second = (await api.post('/auth/login', { email, password })).body.data;
  const bystander = await newAccount(api);
  const list = await cli('sessions', 'list', '--user', email, '--json');
  t.same(
    list.json.data.map(({ id }: { id: string }) => id),
    [second.sessionId, first.sessionId],
  );
  t.equal((await cli('sessions', 'revoke', second.sessionId)).stdout, '1 session ended.\n');
  t.equal((await cli('sessions', 'revoke', second.sessionId, '--json')).json.error.code, 'not_found');
  await synchronize();
  t.equal((await api.get('/me', { token: second.accessToken })).status, 401);
  t.equal((await api.get('/me', { token: first.accessToken })).status, 200);
  t.equal((await cli('sessions', 'revoke', '--user', email)).status, 2);
  t.same((await cli('sessions', 'revoke', '--user', email, '--yes', '--json')).json, { data: { ended: 1 } });
  await synchronize();
  t.equal((await api.get('/me', { token: first.accessToken })).status, 401);
  t.equal((await api.get('/me', { token: bystander.accessToken })).status, 200);
});

t.test('organizations are created, listed, suspended and activated', async (t) => {
  const { database, cli, api, synchronize } = await openSetup(t);
  const { email, accessToken: token, organization } = await newAccount(api);
  const made = await cli('orgs', 'create', 'Büro Nord', '--owner', email, '--json');
  t.match(made.json.data, { name: 'Büro Nord', slug: 'buero-nord', status: 'active' });
  const founding = `SELECT actor_id FROM events WHERE type = 'organization.created' AND target_id = $1`;
  t.same(await database.query(founding, [made.json.data.id]), [{ actor_id: null }], 'no signed-in user did it');
  t.equal(
    (await cli('orgs', 'create', 'Again', '--owner', email, '--slug', 'buero-nord', '--json')).json.error.code,
    'slug_taken',
  );
  t.equal((await cli('orgs', 'create', 'Again', '--owner', email, '--slug', 'admin')).status, 1);
  t.match((await cli('orgs', 'list', '--search', 'BUERO', '--json')).json, {
    data: [{ slug: 'buero-nord' }],
    pagination: { total: 1 },
  });
  t.equal((await cli('orgs', 'suspend', organization.slug)).status, 2);
  t.match((await cli('orgs', 'suspend', organization.slug, '--yes')).stdout, /is suspended\.\n$/);
  await synchronize();
  t.equal((await api.get('/me', { token })).code, 'organization_suspended');
  t.match((await cli('orgs', 'activate', organization.id)).stdout, /is active\.\n$/);
  t.match((await cli('orgs', 'activate', organization.id)).stdout, /is active already\.\n$/);
  await synchronize();
  t.equal((await api.get('/me', { token })).status, 200);
});
