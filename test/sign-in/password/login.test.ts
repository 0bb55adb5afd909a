// Sign-in with a password: what a failure reveals, which organization the session acts for, and when a hash is renewed.
import t from 'tap';
import { atOnce, type Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { countRows } from '../../support/rows.ts';
import { FULL_HASHES, openService } from '../../support/service.ts';

function outside({ status, headers, body }: Reply): unknown {
  const told = Object.fromEntries([...headers].filter(([name]) => !['x-request-id', 'date'].includes(name)));
  return { status, headers: told, body: { ...body, requestId: '' } };
}

t.test('a wrong password and an unknown e-mail get the same status, body and headers', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { email, password } = await newAccount(api);
  const disabled = await newAccount(api);
  await database.query("UPDATE users SET status = 'disabled' WHERE id = $1", [disabled.userId]);
  const tries = [
    { email, password: `${password}!` },
    { email: 'nobody@example.com', password },
    { email: 'no address at all', password },
    { email: disabled.email, password: 'a wrong password' },
    { email, password: `${password}!`, organization: 'no-such' },
    { email: 'nobody@example.com', password, organization: 'no-such' },
    { email, password: 'x'.repeat(2000) },
    { email, password: 'a wrong password', transport: 'cookie' },
  ];
  const [first, ...others] = await Promise.all(tries.map(async (body) => outside(await api.post('/auth/login', body))));
  t.match(first, { status: 401, body: { code: 'invalid_credentials' } });
  for (const other of others) t.same(other, first);
  t.equal(await countRows(database, 'sessions'), 2, 'only the registrations created sessions');
});

t.test('only a caller with the right password gets the answer that the account is disabled', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { email, password, userId } = await newAccount(api);
  await database.query("UPDATE users SET status = 'disabled' WHERE id = $1", [userId]);
  t.match(await api.post('/auth/login', { email, password }), { status: 403, code: 'account_disabled' });
  t.equal(await countRows(database, 'sessions'), 1);
});

t.test('other spellings of an e-mail name the same account, which keeps the registered spelling', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const { password, email } = await newAccount(api, { email: 'Ada.Lovelace@Bücher.example' });
  for (const typed of [
    'ada.lovelace@bücher.example',
    ' ADA.LOVELACE@XN--BCHER-KVA.EXAMPLE ',
    'Ada.Lovelace@BÜCHER.example',
  ]) {
    const reply = await api.post('/auth/login', { email: typed, password });
    t.equal(reply.status, 200, typed);
    t.equal(reply.body.data.user.email, email);
    const again = await api.post('/auth/register', { email: typed.trim(), password, name: 'Eve' });
    t.match(again, { status: 409, code: 'email_taken' }, typed);
  }
});

t.test('a password matches in its composed and its decomposed form, and in no other spelling', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const { email } = await newAccount(api, { password: 'Ångström Café 1905'.normalize('NFC') });
  t.equal((await api.post('/auth/login', { email, password: 'Ångström Café 1905'.normalize('NFD') })).status, 200);
  for (const password of ['ångström café 1905', 'Angstrom Cafe 1905', 'Ångström Café 1905 ']) {
    t.equal((await api.post('/auth/login', { email, password })).code, 'invalid_credentials', password);
  }
});

t.test('a sign-in acts for the organization named by id or slug, or else for the oldest membership', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { email, password, userId, organization } = await newAccount(api);
  const globex = await seedOrganizationOf(database, userId, { slug: 'globex' });
  const named = { organization: globex, organizationSlug: globex };
  for (const body of [{ organization: globex }, { organization: 'globex' }, { organizationSlug: 'Globex' }, named]) {
    const reply = await api.post('/auth/login', { email, password, ...body });
    t.match(reply.body.data, { organization: { id: globex, slug: 'globex' }, roles: ['agent'] }, JSON.stringify(body));
  }
  const { data } = (await api.post('/auth/login', { email, password })).body;
  t.equal(data.organization.id, organization.id);
  t.same(
    data.memberships.map((one: { organization: { slug: string } }) => one.organization.slug),
    [organization.slug, 'globex'],
  );
  const contradiction = { email, password, organization: 'globex', organizationSlug: organization.slug };
  t.equal((await api.post('/auth/login', contradiction)).status, 422);
});

t.test('a foreign organization is refused like an unknown one, and only members see a suspension', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  const { email, password, userId, organization } = await newAccount(api);
  const stranger = await newAccount(api);
  await seedOrganizationOf(database, userId, { slug: 'globex' });
  const sessions = await countRows(database, 'sessions');
  const signIn = (wanted: string) => api.post('/auth/login', { email, password, organization: wanted });
  const unknown = await signIn('no-such');
  t.match(unknown, { status: 403, code: 'organization_access_denied' });
  for (const foreign of [stranger.organization.id, stranger.organization.slug]) {
    t.same(outside(await signIn(foreign)), outside(unknown));
  }
  await database.query("UPDATE organizations SET status = 'suspended' WHERE slug = ANY($1)", [
    [organization.slug, stranger.organization.slug],
  ]);
  t.match(await signIn(organization.slug), { status: 403, code: 'organization_suspended' });
  t.same(
    outside(await signIn(stranger.organization.slug)),
    outside(unknown),
    'a user who is not a member gets the same answer as for an unknown organization',
  );
  await database.query("UPDATE memberships SET status = 'suspended' WHERE user_id = $1", [userId]);
  t.match(await signIn('globex'), { status: 403, code: 'organization_access_denied' });
  t.equal(await countRows(database, 'sessions'), sessions, 'no refusal opened a session');
});

async function hashOf(database: TestDatabase, userId: string): Promise<string> {
  const [row] = await database.query<{ hash: string }>('SELECT hash FROM passwords WHERE user_id = $1', [userId]);
  return row?.hash ?? '';
}

const DEARER = { PASSWORD_HASH_ITERATIONS: '3', PASSWORD_HASH_CONCURRENCY: '4' };

t.test('the next successful sign-in renews a hash with old parameters, even at simultaneous sign-ins', async (t) => {
  const database = await createDatabase(t);
  const before = await openService(t, database, FULL_HASHES);
  const after = await openService(t, database, DEARER);
  const { email, password, userId } = await newAccount(before.api);
  const old = await hashOf(database, userId);
  t.match(old, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  t.equal((await after.api.post('/auth/login', { email, password: 'a wrong one' })).status, 401);
  t.equal(await hashOf(database, userId), old, 'a wrong password does not renew the hash');
  const replies = await atOnce(4, () => after.api.post('/auth/login', { email, password }));
  t.same(
    replies.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const renewed = await hashOf(database, userId);
  t.match(renewed, /^\$argon2id\$v=19\$m=19456,t=3,p=1\$/);
  t.equal((await after.api.post('/auth/login', { email, password })).status, 200);
  t.equal(await hashOf(database, userId), renewed, 'a current hash stays the same');
});

t.test('the renewal of a hash never undoes a password change that happened during the sign-in', async (t) => {
  const database = await createDatabase(t);
  const before = await openService(t, database, FULL_HASHES);
  const after = await openService(t, database, DEARER);
  const { email, password, userId } = await newAccount(before.api);
  const other = await newAccount(before.api, { password: 'another password entirely' });
  const changed = await hashOf(database, other.userId);
  const admin = await openTransaction(t, database);
  await admin.query('UPDATE passwords SET hash = $2 WHERE user_id = $1', [userId, changed]);
  const signingIn = after.api.post('/auth/login', { email, password });
  await waiters(database, 1);
  await admin.query('COMMIT');
  t.equal((await signingIn).status, 200, 'the old password was right when it was checked');
  t.equal(await hashOf(database, userId), changed);
});
