// The access token and the refresh token of a user have exactly the documented claims, with the documented types.
import t, { type Test } from 'tap';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { assignRole, seedRole } from '../support/fixtures/roles.ts';
import { partsOf } from '../support/forge.ts';
import { openService } from '../support/service.ts';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const COMMON = ['amr', 'aud', 'auth_time', 'client_id', 'epoch', 'exp', 'iat', 'iss', 'jti', 'sid', 'sub'];
const OF_ORGANIZATION = ['mep', 'org', 'org_slug', 'rep', 'roles'];

async function opened(t: Test, settings: Record<string, string> = {}) {
  const database = await createDatabase(t);
  const { api, clock } = await openService(t, database, settings);
  const account = await newAccount(api);
  const refreshed = async () => {
    const { data } = (await api.post('/auth/refresh', { refreshToken: account.refreshToken })).body;
    return { token: data.accessToken as string, ...partsOf(data.accessToken) };
  };
  return { database, api, clock, account, refreshed };
}

function names(members: Record<string, unknown>, ...more: string[][]): void {
  t.same(Object.keys(members).sort(), more.flat().sort());
}

t.test('an access token has exactly the header and the claims of the contract', async (t) => {
  const settings = {
    PUBLIC_URL: 'https://auth.example.com',
    TOKEN_AUDIENCE: 'https://api.example.com',
    ACCESS_TOKEN_TTL: '10m',
  };
  const { api, clock, account } = await opened(t, settings);
  const { header, claims } = partsOf(account.accessToken);
  t.strictSame(header, {
    alg: 'RS256',
    typ: 'at+jwt',
    kid: (await api.get('/.well-known/jwks.json')).body.keys[0].kid,
  });
  names(claims, COMMON, OF_ORGANIZATION, ['permissions']);
  const { iat, exp, auth_time, jti, ...rest } = claims as { iat: number; exp: number; auth_time: number; jti: string };
  t.strictSame(rest, {
    iss: 'https://auth.example.com',
    aud: 'https://api.example.com',
    sub: account.userId,
    client_id: 'tenantry',
    amr: ['pwd'],
    sid: account.sessionId,
    epoch: 0,
    mep: 0,
    rep: 0,
    org: account.organization.id,
    org_slug: account.organization.slug,
    roles: ['owner'],
    permissions: ['*:*'],
  });
  t.match(jti, UUID);
  t.equal(exp - iat, 600);
  t.ok([iat, exp, auth_time].every(Number.isInteger));
  t.ok(auth_time <= iat && iat <= clock.now().getTime() / 1000);
  t.notOk(account.accessToken.includes(Buffer.from(account.email).toString('base64url')), 'nothing personal but ids');
});

t.test('refreshing keeps auth_time, and every token has a new jti', async (t) => {
  const { account, refreshed } = await opened(t);
  const [first, second, third] = [partsOf(account.accessToken), await refreshed(), await refreshed()];
  t.same(new Set([first, second, third].map(({ claims }) => claims.auth_time)).size, 1);
  t.equal(new Set([first, second, third].map(({ claims }) => claims.jti)).size, 3);
});

t.test('a refresh token has exactly the header and the claims of the contract, and no other data', async (t) => {
  const { api, account } = await opened(t, { PUBLIC_URL: 'https://auth.example.com' });
  const { header, claims } = partsOf(account.refreshToken);
  t.same(Object.keys(header).sort(), ['alg', 'kid', 'typ']);
  t.match(header, { alg: 'RS256', typ: 'rt+jwt' });
  t.not(header.kid, partsOf(account.accessToken).header.kid, 'a key other than that of access tokens');
  const published = (await api.get('/.well-known/jwks.json')).body.keys.map((key: { kid: string }) => key.kid);
  t.notOk(published.includes(header.kid), 'whose public half is not published');
  names(claims, ['aud', 'exp', 'iat', 'iss', 'jti', 'prt', 'sid', 'sub']);
  const { iat, exp, jti, ...rest } = claims as { iat: number; exp: number; jti: string };
  const issuer = 'https://auth.example.com';
  t.strictSame(rest, { iss: issuer, aud: issuer, sub: account.userId, sid: account.sessionId, prt: jti });
  t.match(jti, UUID);
  t.equal(exp - iat, 30 * 86_400);
});

t.test('the token of a user without an organization has no claim about an organization', async (t) => {
  const { api } = await opened(t);
  const reply = await api.post('/auth/register', {
    email: 'solo@example.com',
    password: 'a rather long one',
    name: 'Solo',
  });
  t.match(reply.body.data, { organization: null, roles: [], memberships: [], subscription: null });
  names(partsOf(reply.body.data.accessToken).claims, COMMON);
  t.equal((await api.get('/me', { token: reply.body.data.accessToken })).status, 200);
});

/** Assigns a custom role with these permissions to the member, in addition to or instead of their roles. */
async function grant(
  database: TestDatabase,
  { userId, organization }: { userId: string; organization: { id: string } },
  role: { name: string; permissions: string[]; scope?: object; instead?: boolean },
): Promise<void> {
  const roleId = await seedRole(database, organization.id, role);
  if (role.instead) await database.query('DELETE FROM role_assignments WHERE user_id = $1', [userId]);
  await assignRole(database, { organizationId: organization.id, userId, roleId }, role.scope);
}

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `thing-${index}:read`);

t.test('the permissions in a token are sorted, have no repeats, and keep their wildcards', async (t) => {
  const { database, account, refreshed } = await opened(t);
  await grant(database, account, { name: 'one', permissions: ['tasks:*', 'deals:read', '*:read'], instead: true });
  await grant(database, account, { name: 'two', permissions: ['deals:read', 'audit:read', 'tasks:write'] });
  const { claims } = await refreshed();
  t.same(claims.permissions, ['*:read', 'audit:read', 'deals:read', 'tasks:*', 'tasks:write']);
  t.same(claims.roles, ['one', 'two']);
});

t.test('a token has at most 200 permissions, or a claim that says that there are more', async (t) => {
  const { database, api, account, refreshed } = await opened(t);
  await grant(database, account, { name: 'wide', permissions: numbered(200), instead: true });
  await grant(database, account, { name: 'same', permissions: numbered(150) });
  const full = await refreshed();
  names(full.claims, COMMON, OF_ORGANIZATION, ['permissions']);
  t.equal((full.claims.permissions as string[]).length, 200, 'repeats do not count');
  await grant(database, account, { name: 'more', permissions: ['one-too:many'] });
  const past = await refreshed();
  names(past.claims, COMMON, OF_ORGANIZATION, ['permissions_ref']);
  t.equal(past.claims.permissions_ref, true);
  t.same(past.claims.roles, ['more', 'same', 'wide'], 'the token still has the roles');
  for (const { token } of [full, past]) t.equal((await api.get('/me', { token })).status, 200);
});

t.test('the service accepts the token of a member with 200 permissions of the maximum length', async (t) => {
  const { database, api, account, refreshed } = await opened(t);
  const permissions = Array.from({ length: 200 }, (_, i) => `r${`${i}`.padEnd(39, 'x')}:${'a'.repeat(40)}`);
  await grant(database, account, { name: 'wordy', permissions, instead: true });
  const { claims, token } = await refreshed();
  t.ok('permissions' in claims || claims.permissions_ref === true);
  t.equal((await api.get('/me', { token })).status, 200);
});

t.test('a role that is granted only in a scope is not in the token, and neither are its permissions', async (t) => {
  const { database, account, refreshed } = await opened(t);
  await grant(database, account, { name: 'broad', permissions: ['deals:read'], instead: true });
  await grant(database, account, { name: 'narrow', permissions: ['deals:write'], scope: { projectId: 'p1' } });
  const { claims } = await refreshed();
  t.same(claims.permissions, ['deals:read']);
  t.same(claims.roles, ['broad']);
});

t.test('the token of a member without a role has empty lists of roles and permissions', async (t) => {
  const { database, account, refreshed } = await opened(t);
  await database.query('DELETE FROM role_assignments WHERE user_id = $1', [account.userId]);
  const { claims } = await refreshed();
  names(claims, COMMON, OF_ORGANIZATION, ['permissions']);
  t.same([claims.roles, claims.permissions], [[], []]);
});

t.test('the epoch in a token is the epoch of the user at the time of issue', async (t) => {
  const { database, account, refreshed } = await opened(t);
  for (const epoch of [1, 2, 3])
    await database.query('UPDATE users SET epoch = $2 WHERE id = $1', [account.userId, epoch]);
  t.equal((await refreshed()).claims.epoch, 3);
});
