// The pages of leaving, in a browser without scripts: the download, closing the account, and what other sites and old
// forms cannot do.
import t, { type Test } from 'tap';
import { CATALOGUES, LANGUAGES } from '../../../src/base/page-kit/language.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedMember } from '../../support/fixtures/people.ts';
import { openVisitor, type Visitor } from '../../support/pages/visitor.ts';
import { openService } from '../../support/service.ts';
import { age } from '../reauthentication/proving.ts';

const [DATA, CLOSE] = ['/account/data', '/account/close'];

async function openLeaving(t: Test) {
  const database = await createDatabase(t);
  const { url, api } = await openService(t, database);
  const signIn = async (
    { email, password }: Pick<Account, 'email' | 'password'>,
    visitor = openVisitor(url),
  ): Promise<Visitor> => {
    await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
    return visitor;
  };
  return { database, api, signIn };
}

const statusOf = async ({ query }: TestDatabase, userId: string) =>
  (await query<{ status: string }>('SELECT status FROM users WHERE id = $1', [userId]))[0]?.status;

async function ageAll(database: TestDatabase, userId: string) {
  const sessions = await database.query<{ id: string }>('SELECT id FROM sessions WHERE user_id = $1', [userId]);
  for (const { id } of sessions) await age(database, id, 301);
}

t.test('the download is one file with everything, after a fresh proof', async (t) => {
  const { database, api, signIn } = await openLeaving(t);
  const account = await newAccount(api);
  await database.query(
    `INSERT INTO events (id, type, actor_id, target_id, at)
     SELECT gen_random_uuid(), 'user.renamed', $1, $1, timestamptz '2026-01-01' + n * interval '1 second'
     FROM generate_series(1, 4500) AS n`,
    [account.userId],
  );
  const visitor = await signIn(account);
  await ageAll(database, account.userId);
  const asked = await visitor.send(await visitor.open(DATA), DATA);
  t.match(asked.seen, CATALOGUES.en.reauthenticate.title);
  t.same(await database.query(`SELECT 1 FROM events WHERE type = 'user.exported'`), []);
  const back = await visitor.send(asked, '/reauthenticate', { password: account.password });
  t.match(back.seen, CATALOGUES.en.ownData.title);
  const file = await visitor.send(back, DATA);
  t.equal(file.status, 200);
  t.equal(file.headers.get('content-disposition'), 'attachment; filename="tenantry-export.json"');
  t.match(file.headers.get('content-type'), /^application\/json/);
  t.match(file.headers.get('cache-control'), /no-store/);
  const { data, pagination } = JSON.parse(file.text);
  t.match(data.account, { id: account.userId, email: account.email });
  t.match(data.memberships, [{ organization: account.organization }]);
  t.equal(data.events.filter(({ type }: { type: string }) => type === 'user.renamed').length, 4500);
  t.same(pagination, { nextCursor: null, hasMore: false });
  t.equal((await database.query(`SELECT 1 FROM events WHERE type = 'user.exported'`)).length, 1);
});

t.test('closing says what goes and what prevents it, deletes what was chosen, and ends on a plain page', async (t) => {
  const { database, api, signIn } = await openLeaving(t);
  for (const language of LANGUAGES) {
    const text = CATALOGUES[language];
    const account = await newAccount(api, { organizationName: `Alone ${language}` });
    const { accessToken: token, password, userId } = account;
    const shared = (await api.post('/organizations', { name: `Shared ${language}` }, { token })).body.data;
    const { id: sharedId } = shared.organization ?? shared;
    await seedMember(database, sharedId, 'agent');
    const visitor = await signIn(account);
    await visitor.open(`/account?lang=${language}`);
    const page = await visitor.open(CLOSE);
    for (const goes of [text.closing.sessions, text.closing.memberships, text.closing.personal, text.closing.again]) {
      t.ok(page.seen.includes(goes), goes);
    }
    t.ok(page.seen.includes(`${text.closing.blocking} Shared ${language}`), page.seen);
    const own = page.markup.forms.find(({ action }) => action === CLOSE)?.fields ?? {};
    t.equal(own.delete0, account.organization.id, 'a box for the organization without anybody else');
    t.notOk('delete1' in own, 'and none for the other');
    const { delete0: _, ...unchecked } = own;

    const wrong = await visitor.request('POST', CLOSE, { ...own, password: 'wrong-secret' });
    t.equal(wrong.status, 403);
    t.match(wrong.text, /id="field-password-problem"/);
    t.match(wrong.text, /type="checkbox"[^>]* checked/, 'what was chosen is still chosen');
    t.notMatch(wrong.text, 'wrong-secret');

    const refused = await visitor.request('POST', CLOSE, { ...unchecked, password });
    t.equal(refused.status, 409);
    t.ok(refused.seen.includes(text.problems.last_owner.title), refused.seen);
    t.ok(refused.seen.includes(`${text.closing.lastOwner} Alone ${language} Shared ${language}`), refused.seen);
    t.notMatch(refused.text, /type="checkbox"[^>]* checked/);
    t.equal(await statusOf(database, userId), 'active');

    await database.query('DELETE FROM memberships WHERE organization_id = $1 AND user_id <> $2', [sharedId, userId]);
    const closed = await visitor.request('POST', CLOSE, { ...own, delete1: sharedId, password });
    t.match([closed.status, closed.location], [303, '/account-closed'], closed.seen);
    for (const cookie of ['tenantry_session', 'tenantry_refresh']) t.notOk(visitor.cookies.has(cookie), cookie);
    const done = await visitor.open('/account-closed');
    t.ok(done.seen.includes(text.closing.closed));
    t.notMatch(done.text, '/sign-out');
    t.equal(await statusOf(database, userId), 'closed');
    t.equal((await visitor.request('GET', '/account')).location, '/sign-in');
    t.same(
      await database.query('SELECT 1 FROM organizations WHERE id = ANY($1) AND deleted_at IS NULL', [
        [account.organization.id, sharedId],
      ]),
      [],
    );
  }
});

t.test('the page needs the password even in a fresh session, and refuses an organization of others', async (t) => {
  const { database, api, signIn } = await openLeaving(t);
  const [account, other] = [await newAccountWithoutOrganization(api), await newAccount(api)];
  const visitor = await signIn(account);
  const page = await visitor.open(CLOSE);
  t.equal((await visitor.send(page, CLOSE)).status, 422);
  const { password } = account;
  t.equal((await visitor.send(page, CLOSE, { password, delete0: other.organization.id })).status, 422);
  t.equal((await visitor.send(page, CLOSE, { password, delete100: other.organization.id })).status, 422);
  t.equal(await statusOf(database, account.userId), 'active');
  t.equal((await api.get('/organizations/current', { token: other.accessToken })).status, 200);
});

t.test('the last administrator of the platform is told so', async (t) => {
  const { database, api, signIn } = await openLeaving(t);
  const account = await newAccountWithoutOrganization(api);
  await database.query('INSERT INTO platform_administrators (user_id) VALUES ($1)', [account.userId]);
  const visitor = await signIn(account);
  const refused = await visitor.send(await visitor.open(CLOSE), CLOSE, { password: account.password });
  t.match([refused.status, refused.seen], [409, CATALOGUES.en.problems.last_administrator.title]);
});

t.test('another site, a wrong nonce and a form of a former session neither download nor close', async (t) => {
  const { database, api, signIn } = await openLeaving(t);
  const [account, next] = [await newAccountWithoutOrganization(api), await newAccountWithoutOrganization(api)];
  const visitor = await signIn(account);
  const across = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  const forms: [string, Record<string, string>][] = [];
  for (const path of [DATA, CLOSE]) {
    const page = await visitor.open(path);
    const own = page.markup.forms.find(({ action }) => action === path)?.fields ?? {};
    const fields = path === CLOSE ? { ...own, password: account.password } : { ...own };
    forms.push([path, fields]);
    t.equal((await visitor.request('POST', path, fields, across)).status, 403, path);
    t.equal((await visitor.request('POST', path, { ...fields, nonce: 'A'.repeat(43) })).status, 403, path);
  }
  await visitor.send(await visitor.open('/sign-out'), '/sign-out');
  await signIn(next, visitor);
  for (const [path, fields] of forms) t.equal((await visitor.request('POST', path, fields)).status, 403, path);
  t.same(await database.query(`SELECT 1 FROM events WHERE type IN ('user.exported', 'user.closed')`), []);
});
