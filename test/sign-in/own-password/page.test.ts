// The page to change the password, in a browser without scripts, and the address at which password managers look for
// it.
import t from 'tap';
import { CATALOGUES, LANGUAGES } from '../../../src/base/page-kit/language.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openVisitor } from '../../support/pages/visitor.ts';
import { openService } from '../../support/service.ts';

const PATH = '/account/password';
const NEW = 'four other unrelated words';

async function openPage(t: Parameters<typeof createDatabase>[0], language = 'en') {
  const database = await createDatabase(t);
  const { url, api } = await openService(t, database);
  const account = await newAccount(api);
  const signedIn = async () => {
    const visitor = openVisitor(url, { language });
    const { email, password } = account;
    await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email, password });
    return visitor;
  };
  return { database, url, api, account, signedIn };
}

t.test('the page changes the password and signs every other browser out', async (t) => {
  const { api, account, signedIn } = await openPage(t);
  const { email, password } = account;
  const [visitor, elsewhere] = [await signedIn(), await signedIn()];
  const page = await visitor.open(PATH);
  t.match(page.text, /name="currentPassword" type="password" autocomplete="current-password"/);
  t.match(page.text, /name="newPassword" type="password" autocomplete="new-password"/);
  t.match(page.text, 'href="/forgot-password"');
  const done = await visitor.send(page, PATH, { currentPassword: password, newPassword: NEW });
  t.equal(done.status, 200);
  t.match(done.seen, CATALOGUES.en.ownPassword.changed);
  t.equal((await visitor.open('/account')).status, 200);
  t.match((await elsewhere.open('/account')).seen, CATALOGUES.en.signIn.ended);
  t.equal((await api.post('/auth/login', { email, password: NEW })).status, 200);
});

t.test('a refusal stands beside its field in the language of the person, and no password is shown again', async (t) => {
  for (const language of LANGUAGES) {
    const { account, signedIn } = await openPage(t, language);
    const { problems } = CATALOGUES[language];
    const visitor = await signedIn();
    const send = async (currentPassword: string, newPassword: string) =>
      visitor.send(await visitor.open(PATH), PATH, { currentPassword, newPassword });
    const wrong = await send('wrong-secret', NEW);
    t.equal(wrong.status, 403);
    t.match(wrong.text, /id="field-currentPassword-problem"/);
    t.ok(wrong.seen.includes(problems.wrong_password.detail), language);
    t.notMatch(wrong.text, /wrong-secret|four other/);
    const weak = await send(account.password, 'short');
    t.equal(weak.status, 422);
    t.match(weak.text, /id="field-newPassword-problem"/);
    const same = await send(account.password, account.password);
    t.ok(same.seen.includes(problems.password_unchanged.detail), language);
  }
});

t.test('another site, a wrong nonce and a form of a former session change nothing', async (t) => {
  const { database, api, account, signedIn } = await openPage(t);
  const { email, password } = account;
  const visitor = await signedIn();
  const page = await visitor.open(PATH);
  const own = page.markup.forms.find(({ action }) => action === PATH)?.fields;
  const fields = { ...own, currentPassword: password, newPassword: NEW };
  const before = await database.query('SELECT hash FROM passwords');
  const across = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  t.equal((await visitor.request('POST', PATH, fields, across)).status, 403);
  t.equal((await visitor.request('POST', PATH, { ...fields, nonce: 'A'.repeat(43) })).status, 403);
  const other = await newAccount(api);
  await visitor.send(await visitor.open('/sign-out'), '/sign-out');
  const { email: theirs, password: secret } = other;
  await visitor.send(await visitor.open('/sign-in'), '/sign-in', { email: theirs, password: secret });
  t.equal((await visitor.request('POST', PATH, { ...fields, currentPassword: secret })).status, 403, 'a stale form');
  t.same((await database.query('SELECT hash FROM passwords')).slice(0, 1), before);
  t.equal((await api.post('/auth/login', { email, password })).status, 200);
  t.equal((await api.post('/auth/login', { email: theirs, password: secret })).status, 200);
});

t.test('/.well-known/change-password leads to the page', async (t) => {
  const { url } = await openPage(t);
  const visitor = openVisitor(url);
  const redirect = await visitor.request('GET', '/.well-known/change-password');
  t.equal(redirect.status, 303);
  t.equal(redirect.location, PATH);
});
