// Resets at the same moment as another reset, a sign-in or a refresh. Also tests resets after the account was disabled
// or its address has changed.
import t from 'tap';
import { disableAccount } from '../../../src/admin/accounts/change-account.ts';
import { atOnce } from '../../support/client.ts';
import { holdUser, waiters } from '../../support/locks.ts';
import { NEW_PASSWORD, openForgotten } from './forgotten.ts';

const AT_ONCE = 6;

for (const by of ['link', 'code'] as const) {
  t.test(`of several uses of one ${by} at the same moment one sets its password`, async (t) => {
    const { account, mailed, reset, signIn, database } = await openForgotten(t);
    const { email, userId } = account;
    const { token, code } = await mailed(email);
    const proof = by === 'link' ? { token } : { email, code };
    const held = await holdUser(t, database, userId);
    const passwordOf = (index: number) => `${NEW_PASSWORD} ${index}`;
    const sent = atOnce(AT_ONCE, (index) => reset({ ...proof, password: passwordOf(index) }));
    await waiters(database, AT_ONCE);
    await held.query('COMMIT');
    const replies = await sent;
    const won = replies.flatMap(({ status }, index) => (status === 204 ? [index] : []));
    t.equal(won.length, 1);
    t.equal(replies.filter((reply) => reply.code === 'invalid_or_expired_token').length, AT_ONCE - 1);
    for (let index = 0; index < AT_ONCE; index += 1) {
      const status = won.includes(index) ? 200 : 401;
      t.equal((await signIn(email, passwordOf(index))).status, status, `password ${index}`);
    }
  });
}

t.test('a sign-in with the old password and a refresh at the moment of a reset leave nothing that works', async (t) => {
  const { api, account, mailed, reset, signIn, database } = await openForgotten(t);
  const { email, userId, password, refreshToken } = account;
  const { token } = await mailed(email);
  const held = await holdUser(t, database, userId);
  const sent = Promise.all([
    reset({ token, password: NEW_PASSWORD }),
    signIn(email, password),
    signIn(email, password),
    api.post('/auth/refresh', { refreshToken }),
  ]);
  await waiters(database, 1);
  await held.query('COMMIT');
  const [done, ...others] = await sent;
  t.equal(done.status, 204);
  for (const { status, body } of others) {
    if (status !== 200) continue;
    t.equal((await api.get('/me', { token: body.data.accessToken })).status, 401, 'an access token');
    const { refreshToken: given } = body.data;
    t.equal((await api.post('/auth/refresh', { refreshToken: given })).status, 401, 'a refresh token');
  }
  const live = await database.query('SELECT 1 FROM sessions WHERE user_id = $1 AND revoked_at IS NULL', [userId]);
  t.equal(live.length, 0);
});

t.test('an account that is disabled after its mail was sent is not reset', async (t) => {
  const { account, mailed, reset, service, database } = await openForgotten(t);
  const { email, userId } = account;
  const { token, code } = await mailed(email);
  await disableAccount({ ...service.app.parts, publish: () => undefined }, userId);
  const refused = { status: 422, code: 'invalid_or_expired_token' };
  t.match(await reset({ token, password: NEW_PASSWORD }), refused);
  t.match(await reset({ email, code, password: NEW_PASSWORD }), refused);
  await database.query('UPDATE one_time_tokens SET ended_at = NULL');
  t.match(await reset({ token, password: NEW_PASSWORD }), refused, 'also if the token were still live');
});

t.test('a link to a former address of the account does not reset it', async (t) => {
  const { account, mailed, reset, database } = await openForgotten(t);
  const { token } = await mailed(account.email);
  await database.query(`UPDATE one_time_tokens SET address_sealed = NULL, address_lookup = NULL WHERE user_id = $1`, [
    account.userId,
  ]);
  t.match(await reset({ token, password: NEW_PASSWORD }), { status: 422, code: 'invalid_or_expired_token' });
});
