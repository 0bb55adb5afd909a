// What becomes of the mail about a new device when something happens before it is sent: the account is disabled or
// closed, or another sign-in with the same device has the earlier instant.
import t from 'tap';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import { freshEmail, PASSWORD } from '../../directory/invitations/inviting.ts';
import { LAPTOP, openDevices, type Person, STRANGE, type TestDevice } from './devices.ts';

const { api, database, service, person, login, notices, rowsOf } = await openDevices(t, 'sends only when asked');

t.test('a disabled account signs nobody in, and gets no mail about a sign-in from before', async (t) => {
  const grace = await person();
  const disable = (status: string) =>
    database.query('UPDATE users SET status = $2 WHERE id = $1', [grace.userId, status]);
  await disable('disabled');
  t.equal((await login(grace, STRANGE)).code, 'account_disabled');
  t.same(await rowsOf(grace), []);
  await disable('active');
  t.equal((await login(grace, STRANGE)).status, 200);
  await disable('disabled');
  t.same(await notices(grace), []);
  t.same(await rowsOf(grace), ['unwanted']);
});

t.test('a closed account gets no mail, and keeps no hash of its devices', async (t) => {
  const grace = await person();
  const { accessToken: token } = (await login(grace, STRANGE)).body.data;
  t.same(await rowsOf(grace), [null]);
  t.equal((await api.call('DELETE', '/me', { password: PASSWORD }, { token })).status, 204);
  t.same(await rowsOf(grace), []);
  t.same(await notices(grace), []);
  const left = 'SELECT 1 FROM sessions WHERE user_id = $1 AND device_lookup IS NOT NULL';
  t.same(await database.query(left, [grace.userId]), []);
});

/**
 * Signs in twice, and gives the session whose sign-in requested the mail the later instant. This is what two sign-ins
 * at the same moment may leave.
 */
async function signInTwice(who: Pick<Person, 'email' | 'userId'>, device: TestDevice): Promise<void> {
  const { sessionId } = (await login(who, device)).body.data;
  await login(who, device);
  t.same(await rowsOf(who), [null]);
  await database.query(`UPDATE sessions SET created_at = now() + interval '1 minute' WHERE id = $1`, [sessionId]);
}

t.test(
  'a simultaneous sign-in with the same device does not make it known, even with the earlier instant',
  async (t) => {
    const grace = await person();
    await signInTwice(grace, STRANGE);
    t.equal((await notices(grace)).length, 1);
  },
);

t.test('simultaneous sign-ins to a new account are both the first one', async (t) => {
  const email = freshEmail();
  const asked = { email, name: 'M', password: PASSWORD, verified: true };
  const { id: userId } = await createAccount(service.app.parts, asked);
  await signInTwice({ email, userId }, LAPTOP);
  t.same(await notices({ email }), []);
  t.same(await rowsOf({ userId }), ['unwanted']);
});
