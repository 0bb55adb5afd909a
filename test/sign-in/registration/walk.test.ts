// A person registers, proves the mailbox by the link or the code of the mail, and signs in. Before the proof nothing of
// the account exists.
import { createHash } from 'node:crypto';
import t from 'tap';
import { newKey } from '../../base/idempotency/requests.ts';
import { countRows, eventsAbout } from '../../support/rows.ts';
import { sentTo } from '../verify-email/proving.ts';
import { NEW_PASSWORD, openRegistering, PASSWORD } from './registering.ts';

const registering = await openRegistering(t);
const { api, database, mailbox, ask, pending, send, verify, signIn, account, waiting } = registering;

for (const by of ['link', 'code'] as const) {
  t.test(`by ${by}: nothing exists before the proof, and everything that was asked for exists after it`, async (t) => {
    const tables = ['users', 'organizations', 'sessions', 'passwords', 'events'];
    const before = await Promise.all(tables.map((table) => countRows(database, table)));
    const organizationName = `Engines by ${by}`;
    const { email, registrationId, token, code } = await pending(undefined, { organizationName });
    t.same(await Promise.all(tables.map((table) => countRows(database, table))), before);
    t.equal((await signIn(email)).code, 'invalid_credentials');
    t.equal((await api.post('/auth/forgot-password', { email })).status, 202);
    await send();

    const proof = by === 'link' ? { token, password: PASSWORD } : { registrationId, code };
    const proven = await verify(proof);
    t.same([proven.status, proven.setCookie], [200, []], proven.text);
    t.same(proven.body.data, {
      ...{ emailVerified: true, alreadyVerified: false, passwordSet: true },
      ...{ resetToken: null, resetTokenExpiresAt: null },
    });
    const made = await account(email);
    t.equal(made?.isProven, true);
    t.strictSame(await eventsAbout(database, made?.id ?? ''), ['user.registered', 'user.email_verified']);
    t.equal(await waiting(email), 0);
    const signed = await signIn(email);
    t.match(signed.body.data, {
      user: { id: made?.id, email, name: 'Ada Lovelace', emailVerified: true },
      organization: { name: organizationName, slug: `engines-by-${by}` },
      roles: ['owner'],
    });
    t.equal((await api.get('/me', { token: signed.body.data.accessToken })).status, 200);
    t.match(await verify(proof), { status: 422, code: 'invalid_or_expired_token' }, 'once');
  });
}

t.test('the owner of the mailbox gets an account without what a stranger typed', async (t) => {
  const { email, registrationId, token, code } = await pending(undefined, {
    ...{ name: 'A Stranger', organizationName: 'Strange Company' },
  });
  const proven = await verify({ token });
  t.match(proven.body.data, { emailVerified: true, passwordSet: false });
  const made = await account(email);
  t.equal((await signIn(email)).code, 'invalid_credentials', 'the password of the stranger');
  t.equal((await verify({ registrationId, code })).code, 'invalid_or_expired_token');
  const { resetToken } = proven.body.data;
  t.equal((await api.post('/auth/reset-password', { token: resetToken, password: NEW_PASSWORD })).status, 204);
  t.match((await signIn(email, NEW_PASSWORD)).body.data, {
    user: { id: made?.id, name: email.split('@')[0] },
    organization: null,
    memberships: [],
  });
});

t.test('a mail that could not be sent is made again, with another link and another code', async (t) => {
  await send(); // mails of other tests
  const email = 'again@example.com';
  const { registrationId } = (await ask(email)).body.data;
  const hashes = async () => {
    const [row] = await database.query<{ token: string; code: string }>(
      `SELECT encode(token_hash, 'hex') AS token, encode(code_hash, 'hex') AS code FROM registrations WHERE id = $1`,
      [registrationId],
    );
    return row;
  };
  mailbox.refuse(1);
  await send();
  const before = await hashes();
  await database.query('UPDATE outbox SET due_at = now() WHERE outcome IS NULL');
  await send();
  const { token, code } = await sentTo(mailbox, email);
  const after = await hashes();
  t.not(after?.token, before?.token);
  t.not(after?.code, before?.code);
  t.equal(createHash('sha256').update(Buffer.from(token, 'base64url')).digest('hex'), after?.token);
  t.equal((await verify({ registrationId, code })).status, 200);
});

t.test(
  'the organization gets another slug if its slug was taken meanwhile, and a taken one is refused at once',
  async (t) => {
    const wanted = { organizationName: 'Slug Company', organizationSlug: 'slug-company' };
    const [one, other] = [await pending(undefined, wanted), await pending(undefined, wanted)];
    for (const { token } of [one, other]) t.equal((await verify({ token, password: PASSWORD })).status, 200);
    const slugs = [];
    for (const { email } of [one, other]) slugs.push((await signIn(email)).body.data.organization.slug);
    t.same(slugs, ['slug-company', 'slug-company-1']);
    t.match(await ask('third@example.com', wanted), { status: 409, code: 'slug_taken' });
  },
);

t.test('a repeat with the same Idempotency-Key is the same registration', async (t) => {
  const headers = { 'idempotency-key': newKey() };
  const replies = [await ask('key@example.com', {}, headers), await ask('key@example.com', {}, headers)];
  t.same(
    replies.map(({ status }) => status),
    [202, 202],
  );
  t.same(replies[0]?.body, replies[1]?.body);
  t.equal(await waiting('key@example.com'), 1);
});

t.test('the mail is in the language of the request, and its link leads to the page of the service', async (t) => {
  await ask('lingua@example.com', {}, { 'accept-language': 'pt-BR' });
  await send();
  const mail = await mailbox.nextProof('lingua@example.com');
  t.match(mail.text, 'Alguém pediu uma conta');
  t.match(mail.text, /http:\/\/localhost:3000\/verify-email#token=/);
  t.notMatch(mail.raw, /Ada|Lovelace/, 'nothing that the person typed');
});
