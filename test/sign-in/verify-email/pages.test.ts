// The page that proves an address, over HTTP and without scripts.
import t from 'tap';
import { ORIGIN, openVisitor, type Visitor } from '../../support/pages/visitor.ts';
import { openProving, type Registered } from './proving.ts';

const PAGE = '/verify-email';
const proving = await openProving(t);
const { api, register, isProven, service } = proving;

type Page = Awaited<ReturnType<Visitor['open']>>;

/** Sends the form of a page that has this step. */
function take(person: Visitor, shown: Page, step: string | undefined, typed: Record<string, string> = {}) {
  const form = shown.markup.forms.find(({ action, fields }) => action === PAGE && fields.step === step);
  if (!form) throw new Error(`there is no step ${step} in: ${shown.seen}`);
  return person.send({ ...shown, markup: { ...shown.markup, forms: [form] } }, PAGE, typed);
}

async function paste(person: Visitor, { token }: Registered) {
  return take(person, await person.open(PAGE), undefined, { token: `${ORIGIN}${PAGE}#token=${token}` });
}

async function signedIn({ email, password }: Registered): Promise<Visitor> {
  const person = openVisitor(service.url);
  await person.send(await person.open('/sign-in'), '/sign-in', { email, password });
  return person;
}

t.test('a signed-in person sees that the e-mail is not proven, and proves it by code or link', async (t) => {
  for (const by of ['code', 'link']) {
    const user = await register();
    const person = await signedIn(user);
    t.match((await person.open('/account')).seen, 'not confirmed yet');
    const shown = by === 'link' ? await paste(person, user) : await person.open(PAGE);
    t.notOk(await isProven(user.userId), 'opening the page proves nothing');
    const typed: Record<string, string> = by === 'link' ? {} : { code: user.code };
    const end = await take(person, shown, by === 'link' ? 'confirm' : 'code', typed);
    t.match(end.seen, 'Your e-mail is confirmed');
    t.ok(await isProven(user.userId));
    t.notMatch((await person.open('/account')).seen, 'not confirmed yet');
    t.equal((await api.get('/me', { token: user.accessToken })).status, 200);
  }
});

t.test('without a sign-in, the password proves the e-mail, and a wrong one leaves the link as it is', async (t) => {
  const user = await register();
  const person = openVisitor(service.url);
  const shown = await paste(person, user);
  const wrong = await take(person, shown, 'password', { password: 'something else entirely' });
  t.match([wrong.status, await isProven(user.userId)], [401, false]);
  t.match((await take(person, wrong, 'password', { password: user.password })).seen, 'Your e-mail is confirmed');
  t.equal((await api.get('/me', { token: user.accessToken })).status, 200, 'the session lives');
});

t.test('claiming the account deletes what somebody else has left, and sets a new password', async (t) => {
  const user = await register();
  const person = openVisitor(service.url, { language: 'pt' });
  const shown = await paste(person, user);
  t.match(shown.seen, 'as organizações ativas sem outro membro', 'the page says what is deleted');
  const weak = await take(person, shown, 'claim', { newPassword: 'short' });
  t.match([weak.status, await isProven(user.userId)], [422, false]);
  t.match(weak.text, 'id="field-newPassword-problem"', 'the problem is beside the new password');
  t.notMatch(weak.text, 'id="field-password-problem"');
  await take(person, weak, 'claim', { newPassword: 'seven green bicycles' });
  t.ok(await isProven(user.userId));
  t.equal((await api.get('/me', { token: user.accessToken })).status, 401);
  const login = (password: string) => api.post('/auth/login', { email: user.email, password });
  t.equal((await login(user.password)).status, 401);
  t.equal((await login('seven green bicycles')).status, 200);
  t.match((await person.open('/account')).seen, 'Entrar', 'nobody was signed in by that');
});

t.test('an invalid link and the link of another account prove nothing, and the page says why', async (t) => {
  const [user, other] = [await register(), await register()];
  const person = await signedIn(other);
  const shown = await take(person, await paste(person, user), 'confirm');
  t.match([shown.status, shown.seen], [403, 'Link for another account']);
  t.notOk(await isProven(user.userId));
  const dead = await take(person, await paste(person, { ...user, token: 'A'.repeat(43) }), 'confirm');
  t.match([dead.status, dead.seen], [422, 'Link or code not valid']);
  t.match(dead.text, 'id="field-token-problem"', 'the problem is beside the link');
  const wrong = await take(person, await person.open(PAGE), 'code', { code: '00000000' });
  t.match([wrong.status, wrong.text], [422, 'id="field-code-problem"']);
  t.notMatch(wrong.text, 'id="field-token-problem"');
  t.match((await take(person, await person.open(PAGE), 'resend')).seen, 'a new mail is on its way');
});
