// The language of a person: taken from the request that creates the account, changed by the person, and used for mails.
import t from 'tap';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { freshEmail, openInviting, PASSWORD } from '../invitations/inviting.ts';

const inviting = await openInviting(t, { DEFAULT_LOCALE: 'en' });
const { api, database, mailbox } = inviting;

async function register(headers: Readonly<Record<string, string>>) {
  const body = { email: freshEmail(), password: PASSWORD, name: 'Grace' };
  const reply = await api.post('/auth/register', body, { headers });
  t.equal(reply.status, 201, reply.text);
  return { email: body.email, token: reply.body.data.accessToken as string };
}
const localeOf = async (token: string) => (await api.get('/me', { token })).body.data.locale;

t.test('an account gets the language that its registration asks for', async (t) => {
  const asked = { 'pt-BR,en;q=0.5': 'pt', 'fr, es;q=0.8, en;q=0.2': 'es', fr: null, '*': null };
  for (const [header, locale] of Object.entries(asked)) {
    const { token } = await register({ 'accept-language': header });
    t.equal(await localeOf(token), locale, header);
  }
  t.equal(await localeOf((await register({})).token), null);
});

t.test('a person changes the language, back to the default too, and each change is one event', async (t) => {
  const { token } = await register({});
  const events = async () =>
    (await database.query(`SELECT type FROM events WHERE type IN ('user.locale_changed', 'user.renamed')`)).map(
      ({ type }) => type,
    );
  const before = (await events()).length;
  for (const locale of ['es', 'es', null] as const) {
    const reply = await api.patch('/me', { locale }, { token });
    t.equal(reply.status, 200, reply.text);
    t.equal(reply.body.data.locale, locale);
    t.equal(reply.body.data.name, 'Grace');
  }
  t.same(
    (await events()).slice(before),
    ['user.locale_changed', 'user.locale_changed'],
    'the same language is no change',
  );
  const both = await api.patch('/me', { locale: 'pt', name: 'Grace Hopper' }, { token });
  t.match(both.body.data, { locale: 'pt', name: 'Grace Hopper' });
  t.match((await api.patch('/me', { name: 'Grace' }, { token })).body.data, { locale: 'pt', name: 'Grace' });
});

t.test('an unknown language is refused, and so is a change without a field', async (t) => {
  const { token } = await register({});
  for (const locale of ['fr', 'EN', 'pt-BR', '', 1]) {
    const reply = await api.patch('/me', { locale }, { token });
    t.equal(reply.code, 'validation_failed');
    t.match(reply.body.issues, [{ path: 'locale' }]);
  }
  t.equal((await api.patch('/me', {}, { token })).code, 'validation_failed');
  const { id } = (await api.get('/me', { token })).body.data;
  await t.rejects(database.query(`UPDATE users SET locale = 'fr' WHERE id = $1`, [id]), { code: '23514' });
});

t.test('an invitation is in the language of its recipient, or else of the inviter, or else the default', async (t) => {
  const { accessToken } = inviting.owner;
  const stranger = freshEmail();
  t.equal((await inviting.invite(stranger)).status, 201);
  t.match((await mailbox.next(stranger)).text, /invites you/);
  await api.patch('/me', { locale: 'es' }, { token: accessToken });
  const other = freshEmail();
  await inviting.invite(other);
  t.match((await mailbox.next(other)).text, /le invita a unirse/);
  const known = await register({ 'accept-language': 'pt' });
  await inviting.invite(known.email);
  t.match((await mailbox.next(known.email)).text, /convida você/);
});

t.test('a person who accepts an invitation by registering gets the language of that request', async (t) => {
  const email = freshEmail();
  await inviting.invite(email, 'agent');
  const token = tokenIn(await mailbox.next(email));
  const headers = { 'accept-language': 'es' };
  const reply = await api.post('/invitations/accept', { token, name: 'Grace', password: PASSWORD }, { headers });
  t.equal(reply.status, 200, reply.text);
  t.equal(await localeOf(reply.body.data.accessToken), 'es');
});
