// A person without scripts changes the e-mail on the pages, by the code and by the link, and takes it back.
import t from 'tap';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import { CATALOGUES, LANGUAGES } from '../../../src/base/page-kit/language.ts';
import { createOneTime } from '../../../src/credentials/one-time/create.ts';
import type { Account } from '../../support/fixtures/accounts.ts';
import { type Answer, ORIGIN, openVisitor, type Visitor } from '../../support/pages/visitor.ts';
import { contentOf, freshEmail, mailTo, openChanging, proofIn } from './changing.ts';

const [OWN, CONFIRM, REVERT, RESET] = ['/account/email', '/confirm-email', '/revert-email', '/reset-password'];
const NEW_PASSWORD = 'seven purple kettles';
const changing = await openChanging(t);
const { database, mailbox, service, register, change, ask, login } = changing;

async function signedIn({ email, password }: Account, language = 'en'): Promise<Visitor> {
  const person = openVisitor(service.url, { language });
  await person.send(await person.open('/sign-in'), '/sign-in', { email, password });
  return person;
}

/** The page with only the form for this step. */
function step(shown: Answer, name: 'ask' | 'code'): Answer {
  const forms = shown.markup.forms.filter(({ action, fields }) => action === OWN && fields.step === name);
  return { ...shown, markup: { ...shown.markup, forms } };
}

const linkTo = (path: string, token: string) => `${ORIGIN}${path}#token=${token}`;

for (const language of LANGUAGES) {
  const { ownEmail, problems, issues } = CATALOGUES[language];
  t.test(`a person requests the change on the page, and confirms it by the code: ${language}`, async (t) => {
    const user = await register();
    const [person, elsewhere] = [await signedIn(user, language), await signedIn(user, language)];
    t.match((await person.open('/account')).text, `href="${OWN}"`);
    const shown = await person.open(OWN);
    t.ok(shown.seen.includes(user.email));
    t.notOk(shown.seen.includes(ownEmail.pending), 'nothing is pending');
    t.match(shown.text, /name="newEmail" type="email" autocomplete="email"/);
    t.match(shown.text, /name="currentPassword" type="password" autocomplete="current-password"/);
    const to = freshEmail();
    const send = (newEmail: string, currentPassword = user.password) =>
      person.send(step(shown, 'ask'), OWN, { newEmail, currentPassword });
    const wrong = await send(to, 'wrong-secret');
    t.match([wrong.status, wrong.text], [403, 'id="field-currentPassword-problem"']);
    t.ok(wrong.seen.includes(problems.wrong_password.detail) && wrong.text.includes(`value="${to}"`));
    t.notMatch(wrong.text, 'wrong-secret');
    const same = await send(user.email);
    t.match([same.status, same.text], [422, 'id="field-newEmail-problem"']);
    t.ok(same.seen.includes(problems.email_unchanged.detail));
    t.ok((await send('no address')).seen.includes(issues.email));
    t.ok((await send(to, '')).seen.includes(issues.required));

    const asked = await send(to);
    t.match([asked.status, asked.text], [200, /name="code" type="text" autocomplete="one-time-code"/]);
    t.ok(asked.seen.includes(ownEmail.asked));
    const { code } = proofIn(await mailTo(mailbox, to, CONFIRM));
    const pending = await person.open(OWN);
    t.ok(pending.seen.includes(`${ownEmail.pending} ${to}`), 'the page shows the address');
    const guess = code === '00000000' ? '11111111' : '00000000';
    const refused = await person.send(step(pending, 'code'), OWN, { code: guess });
    t.match([refused.status, refused.text], [422, 'id="field-code-problem"']);
    const done = await person.send(step(refused, 'code'), OWN, { code });
    t.equal(done.status, 200);
    t.ok(done.seen.includes(ownEmail.changed) && done.seen.includes(to), 'this browser is still signed in');
    t.ok((await elsewhere.open(OWN)).seen.includes(CATALOGUES[language].signIn.ended));
    t.equal((await login(user, to)).status, 200);
  });

  t.test(`a person confirms the change by the link, and opening the link changes nothing: ${language}`, async (t) => {
    const text = CATALOGUES[language].confirmEmail;
    const user = await register();
    const to = freshEmail();
    await ask(user.accessToken, to, { currentPassword: user.password });
    const { token } = proofIn(await mailTo(mailbox, to, CONFIRM));
    const person = await signedIn(user, language);
    const before = await contentOf(database, user.userId);
    const shown = await person.open(CONFIRM);
    t.ok(shown.seen.includes(user.email) && shown.seen.includes(to), 'the page names both addresses');
    await person.open(`${CONFIRM}?token=${token}`);
    const foreign = await person.send(shown, CONFIRM, { token: linkTo(REVERT, token) });
    t.match([foreign.status, foreign.text], [422, 'id="field-token-problem"']);
    t.same(await contentOf(database, user.userId), before);
    const done = await person.send(foreign, CONFIRM, { token: linkTo(CONFIRM, token) });
    t.match([done.status, done.text], [200, 'href="/account"']);
    t.ok(done.seen.includes(text.changed) && done.seen.includes(text.toAccount));
    t.equal((await login(user, to)).status, 200);
    const again = await person.send(shown, CONFIRM, { token });
    t.match([again.status, again.text], [422, `href="${OWN}"`]);
    t.ok(again.seen.includes(CATALOGUES[language].problems.invalid_or_expired_token.detail));
    t.ok(again.seen.includes(text.again), 'the page says what to do next');
  });

  t.test(`a person with the link signs in first, with the account that asked: ${language}`, async (t) => {
    const { confirmEmail: text, problems } = CATALOGUES[language];
    const [user, other] = [await register(), await register()];
    const to = freshEmail();
    await ask(user.accessToken, to);
    const { token } = proofIn(await mailTo(mailbox, to, CONFIRM));
    const before = await contentOf(database, user.userId);
    const stranger = await signedIn(other, language);
    const refused = await stranger.send(await stranger.open(CONFIRM), CONFIRM, { token: linkTo(CONFIRM, token) });
    t.equal(refused.status, 403);
    t.ok(refused.seen.includes(problems.email_change_for_another.detail));
    t.notOk(refused.seen.includes(user.email), 'the stranger does not learn whose link it is');

    const person = openVisitor(service.url, { language });
    const shown = await person.open(CONFIRM);
    t.ok(shown.seen.includes(text.signInFirst));
    const asked = await person.send(shown, CONFIRM, { token: linkTo(CONFIRM, token) });
    t.equal(((await contentOf(database, user.userId)) as { live: string }).live, (before as { live: string }).live);
    t.match([asked.status, asked.text], [200, 'action="/sign-in"']);
    const back = await person.send(asked, '/sign-in', { email: user.email, password: user.password });
    t.equal(back.location, `${ORIGIN}${CONFIRM}`);
    const kept = await person.open(CONFIRM);
    t.ok(kept.seen.includes(text.intro) && kept.seen.includes(user.email) && kept.seen.includes(to));
    const done = await person.send(kept, CONFIRM, {});
    t.ok(done.seen.includes(text.changed), done.seen);
    t.equal((await login(user, to)).status, 200);
    const later = await person.open(CONFIRM);
    t.notOk(later.text.includes(token), 'the browser does not keep the link that was used');
  });

  t.test(`a person takes the former e-mail back by the link, and sets a new password: ${language}`, async (t) => {
    const text = CATALOGUES[language].revertEmail;
    const user = await register();
    const to = freshEmail('thief');
    const { back } = await change(user, user.email, to);
    const thief = await signedIn({ ...user, email: to }, language);
    const person = openVisitor(service.url, { language });
    const before = await contentOf(database, user.userId);
    const shown = await person.open(REVERT);
    for (const what of [text.address, text.sessions, text.password]) t.ok(shown.seen.includes(what), what);
    t.same(await contentOf(database, user.userId), before, 'opening the page changes nothing');
    const done = await person.send(shown, REVERT, { token: linkTo(REVERT, back) });
    t.equal(done.status, 200);
    t.ok(done.seen.includes(text.reverted) && done.seen.includes(text.next));
    t.match(done.text, /name="password" type="password" autocomplete="new-password"/);
    t.match(done.text, 'href="/forgot-password"');
    t.ok((await thief.open(OWN)).seen.includes(CATALOGUES[language].signIn.ended));
    const weak = await person.send(done, RESET, { password: user.email });
    t.equal(weak.status, 422);
    const reset = await person.send(weak, RESET, { password: NEW_PASSWORD });
    t.ok(reset.seen.includes(CATALOGUES[language].resetPassword.changed));
    t.equal((await login({ ...user, password: NEW_PASSWORD })).status, 200);
    const dead = await person.send(shown, REVERT, { token: back });
    t.match([dead.status, dead.text], [422, 'href="/forgot-password"']);
    t.ok(dead.seen.includes(text.dead));
    const disputed = await (async () => {
      const own = await signedIn({ ...user, password: NEW_PASSWORD }, language);
      return own.send(step(await own.open(OWN), 'ask'), OWN, { newEmail: to, currentPassword: NEW_PASSWORD });
    })();
    t.equal(disputed.status, 422);
    t.ok(disputed.seen.includes(problems.email_disputed.detail));
  });
}

t.test(
  'another account has the former address: the page says whom to ask, and the link stays in the form',
  async (t) => {
    const user = await register();
    const { back } = await change(user, user.email, freshEmail());
    const made = { email: user.email, name: 'Other', password: user.password, verified: false };
    await createAccount(service.app.parts, made);
    const person = openVisitor(service.url);
    const refused = await person.send(await person.open(REVERT), REVERT, { token: back });
    t.equal(refused.status, 409);
    t.ok(refused.seen.includes(CATALOGUES.en.revertEmail.taken));
    t.equal(refused.markup.forms.find(({ action }) => action === REVERT)?.fields.token, back);
  },
);

t.test('another site and a wrong nonce change nothing', async (t) => {
  const user = await register();
  const to = freshEmail();
  const { back } = await change(user, user.email, to);
  const account = { ...user, email: to };
  const person = await signedIn(account);
  const next = freshEmail();
  await person.send(step(await person.open(OWN), 'ask'), OWN, { newEmail: next, currentPassword: user.password });
  const { token, code } = proofIn(await mailTo(mailbox, next, CONFIRM));
  const before = await contentOf(database, user.userId);
  const other = { step: 'ask', newEmail: freshEmail(), currentPassword: user.password };
  for (const [path, typed] of [
    [OWN, other],
    [OWN, { step: 'code', code }],
    [CONFIRM, { token }],
    [REVERT, { token: back }],
  ] as const) {
    const own = (await person.open(path)).markup.forms.find(({ action }) => action === path)?.fields;
    const across = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    t.equal((await person.request('POST', path, typed)).status, 403, path);
    t.equal((await person.request('POST', path, { ...own, ...typed, nonce: 'A'.repeat(43) })).status, 403, path);
    t.equal((await person.request('POST', path, { ...own, ...typed }, across)).status, 403, path);
  }
  t.same(await contentOf(database, user.userId), before);
  t.ok((await person.open(OWN)).seen.includes(next), 'the request is still the one of before');
});

t.test('markup in the stored addresses is text on the page', async (t) => {
  const user = await register();
  const person = await signedIn(user);
  const address = `"><script>alert('x')</script>@other.example`;
  const { parts } = service.app;
  const sessions = await database.query<{ id: string }>('SELECT id FROM sessions WHERE user_id = $1', [user.userId]);
  await parts.db.system((tx) =>
    createOneTime(parts, tx, {
      ...{ userId: user.userId, purpose: 'change_email', sessionId: sessions[0]?.id ?? '' },
      address: { address, key: address },
    }),
  );
  const shown = await person.open(OWN);
  t.ok(shown.seen.includes(address), 'the person sees what is stored');
  t.notOk(shown.text.includes('<script>alert'));
  const typed = { newEmail: address, currentPassword: user.password };
  const refused = await person.send(step(shown, 'ask'), OWN, typed);
  t.equal(refused.status, 422);
  t.notOk(refused.text.includes('<script>alert'));
});
