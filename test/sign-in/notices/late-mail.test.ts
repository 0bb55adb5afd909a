// What becomes of the mail about a new device if the account is disabled or closed before the mail is sent.
import t from 'tap';
import { PASSWORD } from '../../directory/invitations/inviting.ts';
import { openDevices, STRANGE } from './devices.ts';

const { api, database, person, login, notices, rowsOf } = await openDevices(t, 'sends only when asked');

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
