// The mail after a change of a password: to the owner, in their language, with the device of the session that changed
// it.
import t from 'tap';
import { setPassword } from '../../../src/admin/accounts/change-account.ts';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { requestPasswordChangedMail } from '../../../src/sign-in/notices/password-changed.ts';
import { freshEmail, openInviting, PASSWORD } from '../../directory/invitations/inviting.ts';

const inviting = await openInviting(t, { PUBLIC_APP_URL: 'https://app.example' });
const { api, database, mailbox, service } = inviting;
const { parts } = service.app;
const deps = { random: systemRandom, clock: systemClock };
const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';

/** The mails to the address, except those that prove it. */
const noticesTo = (email: string) =>
  mailbox.mails.filter(({ recipients, text }) => recipients.includes(email) && !text.includes('/verify-email#'));

async function register(language: string) {
  const email = freshEmail();
  const headers = { 'accept-language': language, 'user-agent': FIREFOX };
  const { body } = await api.post('/auth/register', { email, password: PASSWORD, name: 'Grace' }, { headers });
  const { user, sessionId } = (await api.get('/me', { token: body.data.accessToken })).body.data.id
    ? { user: body.data.user, sessionId: (await api.get('/me', { token: body.data.accessToken })).body.data.sessionId }
    : body.data;
  return { email, userId: user.id as string, sessionId: sessionId as string };
}

t.test('the notice names the device and the network of the session, and never the address', async (t) => {
  const { email, userId, sessionId } = await register('es');
  await parts.db.system((tx) => requestPasswordChangedMail(deps, tx, { userId, sessionId }));
  const mail = await mailbox.next(email);
  t.match(mail.text, /Su contraseña|La contraseña de su cuenta/);
  t.match(mail.text, 'Dispositivo: Firefox en Linux');
  t.match(mail.text, /Red: 127\.0\.0\.0\/\d+/);
  t.notMatch(mail.text + mail.html, '127.0.0.1');
  t.match(mail.html, 'href="https://app.example/forgot-password"');
});

t.test('a session of somebody else gives no device', async (t) => {
  const [victim, other] = [await register('en'), await register('en')];
  const { userId } = victim;
  await parts.db.system((tx) => requestPasswordChangedMail(deps, tx, { userId, sessionId: other.sessionId }));
  t.notMatch((await mailbox.next(victim.email)).text, /Device|Network/);
});

t.test('a password that an operator sets is told to the owner of the account', async (t) => {
  const { email, userId } = await register('pt');
  await setPassword(parts, { id: userId, email }, 'eleven purple kettles sing');
  const mail = await mailbox.next(email);
  t.match(mail.text, /^A senha da sua conta em Tenantry foi alterada\./);
  t.notMatch(mail.text, /Dispositivo/);
});

t.test('a change that is undone sends no mail, and the next change sends one', async (t) => {
  const { email, userId } = await register('en');
  const undone = parts.db.system(async (tx) => {
    await requestPasswordChangedMail(deps, tx, { userId, sessionId: null });
    throw new Error('undone');
  });
  await t.rejects(undone, /undone/);
  await parts.db.system((tx) => requestPasswordChangedMail(deps, tx, { userId, sessionId: null }));
  await mailbox.next(email);
  t.equal(noticesTo(email).length, 1);
});

t.test('a person who changes the password gets one mail with the device; a refused change sends none', async (t) => {
  const email = freshEmail();
  const headers = { 'accept-language': 'en', 'user-agent': FIREFOX };
  const registered = await api.post('/auth/register', { email, password: PASSWORD, name: 'Grace' }, { headers });
  const { accessToken: token } = registered.body.data;
  const change = (currentPassword: string) =>
    api.post('/me/password', { currentPassword, newPassword: 'eleven purple kettles sing' }, { token });
  t.equal((await change('wrong')).code, 'wrong_password');
  t.equal((await change(PASSWORD)).status, 200);
  const mail = await mailbox.next(email);
  t.match(mail.text, /password of your account .* was changed/i);
  t.match(mail.text, 'Device: Firefox on Linux');
  t.equal(noticesTo(email).length, 1);
});

t.test(
  'if the password changes again and again, only the first five changes of an hour and twenty of a day are mailed',
  async (t) => {
    const { email, userId } = await register('en');
    const change = async (times: number) => {
      for (let index = 0; index < times; index += 1) {
        await parts.db.system((tx) => requestPasswordChangedMail(deps, tx, { userId, sessionId: null }));
      }
      await parts.outbox.sendDue();
    };
    const outcomes = async () =>
      (
        await database.query<{ outcome: string }>(
          "SELECT outcome FROM outbox WHERE user_id = $1 AND kind = 'password_changed' ORDER BY created_at, id",
          [userId],
        )
      ).map(({ outcome }) => outcome);
    const hoursLater = (hours: number) =>
      database.query(`UPDATE outbox SET created_at = created_at - $2::int * interval '1 hour' WHERE user_id = $1`, [
        userId,
        hours,
      ]);
    await change(7);
    t.same(await outcomes(), [...Array(5).fill('sent'), 'unwanted', 'unwanted']);
    for (const total of [10, 15, 20, 20]) {
      await hoursLater(2);
      await change(6);
      t.equal(noticesTo(email).length, total);
    }
    await hoursLater(24);
    await change(1);
    t.equal(noticesTo(email).length, 21, 'the first change after a quiet day is told');
  },
);
