// The page that asks for the password again, and leads back to a page of the account and nowhere else.
import t from 'tap';
import { ownPage, reauthenticatePath } from '../../../src/sign-in/reauthentication/return-path.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openVisitor } from '../../support/pages/visitor.ts';
import { openService } from '../../support/service.ts';

const PATH = '/reauthenticate';

t.test('only the pages of the account are places to return to', async (t) => {
  for (const path of ['/account', '/account/password', '/account/organizations/0193-ab/leave']) {
    t.equal(ownPage(path), path);
    t.equal(reauthenticatePath(path), `/reauthenticate?return_to=${encodeURIComponent(path)}`);
  }
  const foreign = ['//evil.example', 'https://evil.example/account', '/account//evil.example', '/account/../sign-out'];
  const odd = ['/account?x=1', '/account#x', '/account\\evil', '/accounts', '/sign-out', '', '/account/', '/account\n'];
  for (const path of [...foreign, ...odd, `/account/${'a'.repeat(300)}`, undefined])
    t.equal(ownPage(path), null, String(path));
});

t.test('the page asks for the password, renews the proof, and returns', async (t) => {
  const database = await createDatabase(t);
  const { url, api } = await openService(t, database);
  const { email, password } = await newAccount(api);
  const visitor = openVisitor(url);
  t.equal((await visitor.request('GET', PATH)).location, '/sign-in', 'for signed-in people');
  await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
  const page = await visitor.open(reauthenticatePath('/account/devices'));
  t.match(page.text, /autocomplete="current-password"/);
  const wrong = await visitor.send(page, PATH, { password: 'wrong' });
  t.equal(wrong.status, 403);
  t.match(wrong.seen, 'This is not your current password');
  t.notMatch(wrong.text, 'value="wrong"');
  const form = wrong.markup.forms.find(({ action }) => action === PATH);
  const sent = await visitor.request('POST', PATH, { ...form?.fields, password });
  t.equal(sent.status, 303);
  t.equal(sent.location, '/account/devices', 'the place to return to outlives a wrong password');
  t.match(await database.query('SELECT 1 AS one FROM sessions WHERE authenticated_at IS NOT NULL'), [{ one: 1 }]);
  for (const place of ['//evil.example', 'https://evil.example', '/account/../sign-out']) {
    const asked = await visitor.open(`${PATH}?${new URLSearchParams({ return_to: place })}`);
    const fields = { ...asked.markup.forms.find(({ action }) => action === PATH)?.fields, return_to: place, password };
    t.equal((await visitor.request('POST', PATH, fields)).location, '/account', place);
  }
});

t.test('another site, another browser and an old form prove nothing', async (t) => {
  const database = await createDatabase(t);
  const { url, api } = await openService(t, database);
  const [own, other] = [await newAccount(api), await newAccount(api)];
  const visitor = openVisitor(url);
  const signIn = async ({ email, password } = own) =>
    visitor.send(await visitor.open('/sign-in?return_to=x'), '/sign-in', { email, password });
  await signIn();
  const page = await visitor.open(PATH);
  const fields = { ...page.markup.forms.find(({ action }) => action === PATH)?.fields, password: own.password };
  const across = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  t.equal((await visitor.request('POST', PATH, fields, across)).status, 403);
  t.equal((await visitor.request('POST', PATH, { ...fields, nonce: 'A'.repeat(43) })).status, 403);
  await visitor.send(await visitor.open('/sign-out'), '/sign-out');
  await signIn(other);
  t.equal((await visitor.request('POST', PATH, fields)).status, 403, 'a form of the session before');
  t.same(await database.query('SELECT 1 FROM sessions WHERE authenticated_at IS NOT NULL'), []);
});
