// A person without scripts registers on the pages, and proves the mailbox by the code or the link of the mail. The
// pages show as little about addresses as the API does.
import t from 'tap';
import { CATALOGUES, LANGUAGES } from '../../../src/base/page-kit/language.ts';
import { seedPerson } from '../../support/fixtures/people.ts';
import { type Answer, ORIGIN, openVisitor, type Visitor } from '../../support/pages/visitor.ts';
import { sentTo } from '../verify-email/proving.ts';
import { freshAddress, NEW_PASSWORD, openRegistering, PASSWORD, wrongFor } from './registering.ts';

const REGISTER = '/register';
const VERIFY = '/verify-email';
const registering = await openRegistering(t);
const { database, mailbox, service, pending, send, signIn, account, waiting } = registering;

/** Sends the form of a page that has this step. */
function take(person: Visitor, shown: Answer, step: string | undefined, typed: Record<string, string> = {}) {
  const form = shown.markup.forms.find(({ action, fields }) => action === VERIFY && fields.step === step);
  if (!form) throw new Error(`there is no step ${step} in: ${shown.seen}`);
  return person.send({ ...shown, markup: { ...shown.markup, forms: [form] } }, VERIFY, typed);
}

async function register(person: Visitor, email: string, query = '') {
  const typed = { name: 'Ada Lovelace', email, password: PASSWORD };
  return person.send(await person.open(`${REGISTER}${query}`), REGISTER, typed);
}

async function paste(person: Visitor, token: string) {
  return take(person, await person.open(VERIFY), undefined, { token: `${ORIGIN}${VERIFY}#token=${token}` });
}

for (const language of LANGUAGES) {
  const text = CATALOGUES[language];
  t.test(`registering, with a wrong and the right code: ${language}`, async (t) => {
    const email = freshAddress();
    const person = openVisitor(service.url, { language });
    t.match((await person.open('/sign-in')).text, 'href="/register"', 'the sign-in page leads there');
    const sent = await register(person, email);
    t.match([sent.status, sent.seen], [200, text.verifyEmail.registered]);
    t.notMatch(sent.text, email);
    t.notOk(person.cookies.has('tenantry_session'), 'nobody is signed in');
    await send();
    const { code } = await sentTo(mailbox, email);
    const empty = await take(person, sent, 'registration');
    t.match([empty.status, empty.seen], [422, text.issues.required ?? '']);
    const wrong = await take(person, empty, 'registration', { code: wrongFor(code) });
    t.match([wrong.status, wrong.seen], [422, text.problems.invalid_or_expired_token.detail]);
    t.equal(await account(email), null);
    const end = await take(person, wrong, 'registration', { code: `${code.slice(0, 4)} ${code.slice(4)}` });
    t.match([end.status, end.seen], [200, text.verifyEmail.proven]);
    t.match(end.text, 'href="/sign-in"');
    t.ok((await account(email))?.isProven);
    t.notOk(person.cookies.has('tenantry_session'), 'nobody is signed in');
    t.equal((await signIn(email)).status, 200);
  });
}

t.test('the page of the link asks for the password of the registration', async (t) => {
  const { email, token } = await pending();
  const elsewhere = openVisitor(service.url);
  const shown = await paste(elsewhere, token);
  t.match(shown.seen, CATALOGUES.en.verifyEmail.ofRegistration.byPassword);
  t.equal(await account(email), null, 'opening the page proves nothing');
  const wrong = await take(elsewhere, shown, 'password', { password: 'something else entirely' });
  t.match([wrong.status, await account(email)], [401, null]);
  t.match((await take(elsewhere, wrong, 'password', { password: PASSWORD })).seen, CATALOGUES.en.verifyEmail.proven);
  t.equal((await signIn(email)).status, 200);
  const again = await paste(elsewhere, token);
  const dead = await take(elsewhere, again, 'password', { password: PASSWORD });
  t.match([dead.status, dead.seen], [422, 'Link or code not valid']);
});

t.test('a person who did not register gets the account with a password of their own', async (t) => {
  const { email, token } = await pending();
  const owner = openVisitor(service.url, { language: 'es' });
  const shown = await paste(owner, token);
  t.match(shown.seen, CATALOGUES.es.verifyEmail.ofRegistration.claim);
  const weak = await take(owner, shown, 'claim', { newPassword: 'short' });
  t.match([weak.status, await account(email)], [422, null]);
  await take(owner, weak, 'claim', { newPassword: NEW_PASSWORD });
  t.ok((await account(email))?.isProven);
  t.equal((await signIn(email)).status, 401);
  t.equal((await signIn(email, NEW_PASSWORD)).status, 200);
});

t.test('the way to an application goes on after the proof, and another origin is not followed', async (t) => {
  for (const [target, isKept] of [
    [`${ORIGIN}/account/devices`, true],
    ['https://evil.example/', false],
  ] as const) {
    const email = freshAddress();
    const person = openVisitor(service.url);
    const sent = await register(person, email, `?${new URLSearchParams({ return_to: target })}`);
    await send();
    const { code } = await sentTo(mailbox, email);
    const end = await take(person, sent, 'registration', { code });
    t.equal(end.text.includes(`/sign-in?${new URLSearchParams({ return_to: target })}`), isKept, target);
    t.notMatch(sent.text + end.text, 'evil.example');
  }
});

t.test('the page says the same for every address', async (t) => {
  const shown: string[] = [];
  for (const email of [(await seedPerson(database)).email, freshAddress()]) {
    const sent = await register(openVisitor(service.url), email);
    shown.push(`${sent.status} ${sent.text.replace(/value="([\w-]{43}|[0-9a-f-]{36})"/g, '')}`);
  }
  t.equal(shown[0], shown[1]);
});

t.test('nothing that opens the pages, and no form without its nonce, uses anything up or registers', async (t) => {
  const { email, token, registrationId, code } = await pending();
  const person = openVisitor(service.url);
  const typed = { name: 'Eve', email: freshAddress('forged'), password: PASSWORD };
  const forged = { step: 'registration', registrationId, code };
  for (const method of ['GET', 'HEAD']) {
    await person.request(method, `${VERIFY}?${new URLSearchParams({ ...forged, token, done: 'registered' })}`);
    await person.request(method, `${REGISTER}?${new URLSearchParams(typed)}`);
  }
  const { fields } = (await person.open(REGISTER)).markup.forms.find(({ action }) => action === REGISTER) ?? {};
  for (const form of [typed, { ...typed, nonce: 'A'.repeat(43) }]) {
    t.equal((await person.request('POST', REGISTER, form)).status, 403);
  }
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
  t.equal((await person.request('POST', REGISTER, { ...fields, ...typed }, foreign)).status, 403);
  t.equal(await waiting(typed.email), 0);
  const page = await person.open(VERIFY);
  const nonce = page.markup.forms.find(({ action }) => action === VERIFY)?.fields.nonce ?? '';
  for (const form of [
    forged,
    { ...forged, nonce: fields?.nonce ?? '' },
    { step: 'password', token, password: PASSWORD },
  ]) {
    t.equal((await person.request('POST', VERIFY, form)).status, 403);
  }
  t.equal((await person.request('POST', VERIFY, { ...forged, nonce }, foreign)).status, 403);
  t.equal(await account(email), null);
  t.equal(await waiting(email), 1);
  const old = await person.request('POST', VERIFY, { ...forged, nonce, registrationId: 'x' });
  t.equal(old.status, 422, 'a changed id');
  t.equal((await person.request('POST', VERIFY, { step: 'registration', code, nonce })).status, 422, 'without an id');
  t.equal((await person.request('POST', VERIFY, { ...forged, nonce })).status, 303, 'with its nonce it works');
  t.ok((await account(email))?.isProven);
});

t.test('the code field is there only in the browser that registered', async (t) => {
  const email = freshAddress();
  const person = openVisitor(service.url);
  await register(person, email);
  const found = (answer: Answer) => answer.markup.forms.some(({ fields }) => fields.step === 'registration');
  t.ok(found(await person.open(`${VERIFY}?done=registered`)), 'again in the same browser');
  t.notOk(found(await openVisitor(service.url).open(`${VERIFY}?done=registered`)));
  t.notOk(found(await person.open(VERIFY)));
});
