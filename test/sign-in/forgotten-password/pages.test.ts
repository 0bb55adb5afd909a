// A person without scripts replaces a forgotten password on the pages. Neither a request that only opens the link nor a
// form without its nonce uses up the link or the code. The pages show as little about addresses as the API does.
import t from 'tap';
import { CATALOGUES, LANGUAGES } from '../../../src/base/page-kit/language.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { type Answer, ORIGIN, openVisitor } from '../../support/pages/visitor.ts';
import { NEW_PASSWORD, nextReset, openForgotten, wrongFor } from './forgotten.ts';

const RESET = '/reset-password';

function fieldsOf({ markup }: Answer, action: string): Readonly<Record<string, string>> {
  return markup.forms.find((form) => form.action === action)?.fields ?? {};
}

for (const language of LANGUAGES) {
  const text = CATALOGUES[language];
  t.test(`a person sets a new password with the code, and with the pasted link: ${language}`, async (t) => {
    const { account, service, mailbox, signIn } = await openForgotten(t);
    const { email } = account;
    const person = openVisitor(service.url, { language });
    const start = await person.open('/sign-in');
    t.match(start.seen, text.signIn.forgotten);
    t.match(start.text, 'href="/forgot-password"');
    const asking = await person.open('/forgot-password');
    const wrong = await person.send(asking, '/forgot-password', { email: 'not an address' });
    t.match([wrong.status, wrong.seen], [422, text.issues.email]);
    const sent = await person.send(wrong, '/forgot-password', { email });
    t.match([sent.status, sent.seen], [200, text.resetPassword.sent]);
    const code = /^(\d{8})$/m.exec((await nextReset(mailbox, email)).text)?.[1] ?? '';
    const refused = await person.send(sent, RESET, { email, code: wrongFor(code), password: NEW_PASSWORD });
    t.match([refused.status, refused.seen], [422, text.problems.invalid_or_expired_token.detail]);
    t.match(fieldsOf(refused, RESET), { email, code: wrongFor(code), password: '' }, 'what was typed is there');
    const weak = await person.send(refused, RESET, { email, code, password: email });
    t.match([weak.status, weak.seen], [422, text.issues.context]);
    const done = await person.send(weak, RESET, { email, code, password: NEW_PASSWORD });
    t.match([done.status, done.seen], [200, text.resetPassword.changed]);
    t.notOk(person.cookies.has('tenantry_session'), 'nobody is signed in');
    t.equal((await signIn(email, NEW_PASSWORD)).status, 200);

    await person.send(await person.open('/forgot-password'), '/forgot-password', { email });
    const link = /(http:\S+#token=\S+)/.exec((await nextReset(mailbox, email)).text)?.[1] ?? '';
    const byLink = await person.open(RESET);
    const foreign = await person.send(byLink, RESET, {
      token: link.replace('reset-password', 'verify-email'),
      password: NEW_PASSWORD,
    });
    t.match([foreign.status, foreign.seen], [422, text.issues.link]);
    const short = await person.send(foreign, RESET, { token: link, password: email });
    t.match([short.status, fieldsOf(short, RESET).token], [422, link], 'a weak password keeps the link in the form');
    const changed = await person.send(short, RESET, { password: 'seven purple kettles' });
    t.match([changed.status, changed.seen], [200, text.resetPassword.changed]);
    const again = await person.send(byLink, RESET, { token: link, password: NEW_PASSWORD });
    t.match([again.status, again.seen], [422, text.problems.invalid_or_expired_token.title]);
    t.equal((await signIn(email, 'seven purple kettles')).status, 200);
  });
}

t.test('the page says the same for every address', async (t) => {
  const { account, service, mailbox } = await openForgotten(t);
  const shown: string[] = [];
  for (const email of [account.email, 'nobody@example.com']) {
    const person = openVisitor(service.url);
    const answer = await person.send(await person.open('/forgot-password'), '/forgot-password', { email });
    t.notMatch(answer.text, email);
    shown.push(answer.text.replace(/value="[\w-]{43}"/g, ''));
  }
  t.equal(shown[0], shown[1]);
  await nextReset(mailbox, account.email);
  t.equal(mailbox.mails.filter(({ text }) => text.includes('/reset-password#')).length, 1);
});

t.test('nothing that opens the page, and no form without its nonce, uses the link or the code up', async (t) => {
  const { api, account, mailed, service, reset, signIn } = await openForgotten(t);
  const { email } = account;
  const { token, code } = await mailed(email);
  const visitor = openVisitor(service.url);
  const page = await visitor.open(RESET);
  const { nonce = '' } = fieldsOf(page, RESET);
  for (const method of ['GET', 'HEAD']) {
    for (const path of [`${RESET}?token=${token}`, `${RESET}?email=${email}&code=${code}&password=x`]) {
      t.equal((await visitor.request(method, path)).status, 200);
    }
  }
  const typed = { token, password: NEW_PASSWORD };
  const stranger = openVisitor(service.url);
  const attempts = [
    await visitor.request('POST', RESET, typed),
    await visitor.request('POST', RESET, { ...typed, nonce: 'A'.repeat(43) }),
    await visitor.request('POST', RESET, {
      ...typed,
      nonce: fieldsOf(await visitor.open('/sign-in'), '/sign-in').nonce ?? '',
    }),
    await stranger.request('POST', RESET, { ...typed, nonce }),
    await visitor.request(
      'POST',
      RESET,
      { ...typed, nonce },
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' },
    ),
    await visitor.request('POST', RESET, { email, code, password: NEW_PASSWORD }),
  ];
  for (const { status } of attempts) t.equal(status, 403);
  for (const path of ['/auth/reset-password', '/auth/forgot-password']) {
    t.equal((await api.get(`${path}?token=${token}`)).status, 405);
  }
  t.equal((await signIn(email, account.password)).status, 200, 'nothing was changed');
  t.equal((await reset({ token, password: NEW_PASSWORD })).status, 204);
});

t.test('the Host and the origin of a request lead nowhere else', async (t) => {
  const { api, service } = await openForgotten(t);
  const { email } = await newAccount(api);
  const person = openVisitor(service.url);
  const { nonce = '' } = fieldsOf(await person.open('/forgot-password'), '/forgot-password');
  const headers = { 'x-forwarded-host': 'evil.example', origin: ORIGIN };
  const { status, location } = await person.request('POST', '/forgot-password', { email, nonce }, headers);
  t.same([status, location], [303, `${RESET}?with=code&notice=sent`]);
});
