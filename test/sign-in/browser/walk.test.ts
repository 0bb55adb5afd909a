// A person without scripts registers, looks after the account, signs out and signs in again, over HTTP: every form is
// read from the page before it and sent as a browser sends it.
import t from 'tap';
import { CATALOGUES, LANGUAGES } from '../../../src/base/page-kit/language.ts';
import { createDatabase } from '../../support/database.ts';
import { seedMember } from '../../support/fixtures/people.ts';
import { openVisitor } from '../../support/pages/visitor.ts';
import { openService } from '../../support/service.ts';

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const PASSWORD = 'correct horse battery';

for (const language of LANGUAGES) {
  const text = CATALOGUES[language];
  t.test(`register, account, devices, sign out and sign in: ${language}`, async (t) => {
    const { url } = await openService(t, await createDatabase(t));
    const person = openVisitor(url, { language, agent: FIREFOX });
    const start = await person.open('/');
    t.match(start.seen, text.signIn.title, 'the start page leads to the sign-in page');
    const form = await person.open('/register');
    const wrong = await person.send(form, '/register', { name: 'Ada', email: 'not an address', password: PASSWORD });
    t.match([wrong.status, wrong.seen], [422, text.issues.email]);
    t.notMatch(wrong.text, PASSWORD, 'a password is never sent back');
    const fields = { email: 'ada@example.com', password: PASSWORD, organizationName: 'Acme' };
    const account = await person.send(wrong, '/register', fields);
    t.match(account.seen, new RegExp(`${text.account.title}.*ada@example\\.com`));
    t.equal(account.markup.forms.find(({ action }) => action === '/account')?.fields.name, 'Ada', 'the name was kept');
    const renamed = await person.send(account, '/account', { name: 'Ada Lovelace' });
    t.match(renamed.seen, text.account.saved);
    t.equal(renamed.markup.forms.find(({ action }) => action === '/account')?.fields.name, 'Ada Lovelace');
    const devices = await person.open('/account/devices');
    t.match(devices.seen, text.devices.on('Firefox', 'Linux'));
    t.match(devices.seen, text.devices.thisOne);
    t.match(devices.seen, '127.0.0.0/24', 'the network, and not the address');
    t.notMatch(devices.seen, '127.0.0.1');
    const organizations = await person.open('/account/organizations');
    t.match(organizations.seen, /Acme.*owner/);
    const leave = await person.open(
      (/href="(\/account\/organizations\/[\w-]+\/leave)"/.exec(organizations.text) ?? [])[1] ?? '',
    );
    const action = leave.markup.forms.find((one) => one.action.endsWith('/leave'))?.action ?? '';
    const kept = await person.send(leave, action);
    t.match([kept.status, kept.seen], [409, text.problems.last_owner.title]);
    const asked = await person.open('/sign-out');
    t.match(asked.seen, text.signOut.question);
    const out = await person.send(asked, '/sign-out');
    t.match(out.seen, text.signIn.signedOut);
    t.same([...person.cookies.keys()], ['tenantry_browser']);
    t.match((await person.open('/account')).seen, text.signIn.title, 'the account is closed to this browser');
    const refused = await person.send(await person.open('/sign-in'), '/sign-in', {
      email: 'ada@example.com',
      password: 'wrong',
    });
    t.match([refused.status, refused.seen], [401, text.problems.invalid_credentials.title]);
    t.equal(refused.markup.forms.find(({ action: to }) => to === '/sign-in')?.fields.email, 'ada@example.com');
    const back = await person.send(refused, '/sign-in', { password: PASSWORD });
    t.match(back.seen, text.account.title);
    t.match((await person.open('/')).seen, text.account.title, 'the start page leads to the account');
    t.match((await person.open('/sign-in')).seen, text.account.title, 'there is nothing to sign in to');
  });
}

t.test('a person ends one session, and then all others, and switches and leaves organizations', async (t) => {
  const database = await createDatabase(t);
  const { url, api } = await openService(t, database);
  const email = 'ada@example.com';
  const person = openVisitor(url, { agent: FIREFOX });
  await person.send(await person.open('/register'), '/register', {
    name: 'Ada',
    email,
    password: PASSWORD,
    organizationName: 'First',
  });
  const signIn = async () => (await api.post('/auth/login', { email, password: PASSWORD })).body.data;
  const [one, two, three] = [await signIn(), await signIn(), await signIn()];
  const live = async () =>
    (await database.query<{ id: string }>('SELECT id FROM sessions WHERE revoked_at IS NULL')).map(({ id }) => id);
  t.equal((await live()).length, 4);
  const devices = await person.open('/account/devices');
  const ofOne = devices.markup.forms.filter(({ fields }) => fields.session === one.sessionId);
  t.equal(ofOne.length, 1);
  const ended = await person.send({ ...devices, markup: { ...devices.markup, forms: ofOne } }, '/account/devices');
  t.match(ended.seen, 'The session is ended.');
  t.notOk((await live()).includes(one.sessionId));
  t.equal((await api.get('/me', { token: one.accessToken })).code, 'session_revoked', 'at once, everywhere');
  const again = await person.send({ ...devices, markup: { ...devices.markup, forms: ofOne } }, '/account/devices');
  t.match(again.seen, 'The session is ended.', 'a second click is no error');
  const others = await person.send(ended, '/account/devices', { session: 'others' });
  t.match(others.seen, 'All other sessions are ended.');
  t.equal((await live()).length, 1);
  for (const { accessToken: token } of [two, three]) t.equal((await api.get('/me', { token })).code, 'session_revoked');
  t.notMatch((await person.open('/account/devices')).seen, 'End all other sessions', 'there are no others');

  const { accessToken: token } = await signIn();
  const second = (await api.post('/organizations', { name: 'Second' }, { token })).body.data;
  const list = await person.open('/account/organizations');
  t.match(list.seen, /First current.*Second/);
  const switched = await person.send(list, '/account/organizations', { organization: second.id });
  t.match(switched.seen, 'This session now acts for the organization.');
  t.match(switched.seen, /Second current/);
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE organization_id = $1`, [second.id]);
  const refused = await person.send(switched, '/account/organizations', { organization: second.id });
  t.match([refused.status, refused.seen], [403, 'No access to the organization']);
  t.notMatch((await person.open('/account/organizations')).seen, 'current', 'the session acts for none that is active');
  await database.query(`UPDATE memberships SET status = 'active' WHERE organization_id = $1`, [second.id]);
  await seedMember(database, second.id, 'owner');
  const leave = await person.open(`/account/organizations/${second.id}/leave`);
  t.match(leave.seen, 'Leave Second?');
  const left = await person.send(leave, `/account/organizations/${second.id}/leave`);
  t.match(left.seen, 'You have left the organization.');
  t.equal((await person.open(`/account/organizations/${second.id}/leave`)).status, 404);
  t.equal((await person.open('/account/organizations/x/leave')).status, 422);
});
