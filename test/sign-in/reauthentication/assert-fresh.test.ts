// Sensitive acts need a fresh proof: the password in the request, or a session whose row says that it is at most five
// minutes old.
import t from 'tap';
import type { Problem } from '../../../src/base/errors/problem.ts';
import type { Caller, ClientCaller } from '../../../src/protocol/caller.ts';
import { assertFresh } from '../../../src/sign-in/reauthentication/assert-fresh.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';
import { age, provingDeps } from './proving.ts';

const network = '203.0.113.7';

async function openProving(t: Parameters<typeof createDatabase>[0]) {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  const account = await newAccount(api);
  const caller = await app.parts.authenticate(`Bearer ${account.accessToken}`, { alsoSuspended: false });
  return { database, api, app, account, caller: caller as Caller, deps: provingDeps(app) };
}

t.test('a session is fresh for five minutes, and again after another proof', async (t) => {
  const { database, api, account, caller, deps } = await openProving(t);
  const { sessionId, accessToken: token, password } = account;
  await assertFresh(deps, caller, { network });
  await age(database, sessionId, 290);
  await assertFresh(deps, caller, { network });
  await age(database, sessionId, 11);
  await t.rejects(assertFresh(deps, caller, { network }), {
    code: 'reauthentication_required',
    status: 401,
    extras: { headers: { 'www-authenticate': /^Bearer error="insufficient_user_authentication".*, max_age=300$/ } },
  });
  t.equal((await api.post('/auth/reauthenticate', { password }, { token })).status, 200);
  await assertFresh(deps, caller, { network }); // with the token from before the proof
  await age(database, sessionId, 301);
  await t.rejects(assertFresh(deps, caller, { network }), { code: 'reauthentication_required' });
});

t.test('the row of the session decides, and not what a token says', async (t) => {
  const { database, account, caller, deps } = await openProving(t);
  await age(database, account.sessionId, 301);
  const young = { ...caller, authenticatedAt: Math.floor(Date.now() / 1000) };
  await t.rejects(assertFresh(deps, young, { network }), { code: 'reauthentication_required' });
});

t.test(
  'the current password in the request is a proof in an old session, and a wrong one is none in a new one',
  async (t) => {
    const { database, account, caller, deps } = await openProving(t);
    await t.rejects(assertFresh(deps, caller, { network, currentPassword: 'wrong' }), { code: 'wrong_password' });
    await t.rejects(assertFresh(deps, caller, { network, currentPassword: '' }), { code: 'wrong_password' });
    await age(database, account.sessionId, 3_600);
    await assertFresh(deps, caller, { network, currentPassword: account.password });
    await t.rejects(assertFresh(deps, caller, { network }), { code: 'reauthentication_required' }, 'it renews nothing');
  },
);

t.test('wrong passwords in requests are throttled', async (t) => {
  const { app, account, caller } = await openProving(t);
  const deps = provingDeps(app, 3);
  for (let wrong = 1; wrong <= 3; wrong += 1) {
    await t.rejects(assertFresh(deps, caller, { network, currentPassword: 'wrong' }), { code: 'wrong_password' });
  }
  const right = { network, currentPassword: account.password };
  await t.rejects(assertFresh(deps, caller, right), { code: 'too_many_requests' });
  await assertFresh(deps, caller, { ...right, network: '203.0.113.8' }); // the owner elsewhere is not locked out
});

t.test('an ended session, the session of another user, and a disabled user have no fresh proof', async (t) => {
  const { database, api, account, caller, deps } = await openProving(t);
  const other = await newAccount(api);
  const foreign: Caller = { ...caller, id: other.userId };
  await t.rejects(assertFresh(deps, foreign, { network }), { code: 'session_revoked' });
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [account.userId]);
  await t.rejects(assertFresh(deps, caller, { network }), { code: 'session_revoked' });
  const typed = { network, currentPassword: account.password };
  await t.rejects(assertFresh(deps, caller, typed), { code: 'session_revoked' });
  await database.query(`UPDATE users SET status = 'active' WHERE id = $1`, [account.userId]);
  await assertFresh(deps, caller, { network });
  await database.query(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'logout' WHERE id = $1`, [
    account.sessionId,
  ]);
  await t.rejects(assertFresh(deps, caller, { network }), { code: 'session_revoked' });
});

t.test('a service client never passes', async (t) => {
  const { account, caller, deps } = await openProving(t);
  const { id, organizationId, organizationSlug, permissions, epoch, issuedAt } = caller;
  const client: ClientCaller = { kind: 'client', id, organizationId, organizationSlug, permissions, epoch, issuedAt };
  const isRequired = (error: unknown) => (error as Problem).code === 'reauthentication_required';
  for (const proof of [{ network }, { network, currentPassword: account.password }]) {
    t.ok(isRequired(await assertFresh(deps, client, proof).catch((error: unknown) => error)));
  }
});
