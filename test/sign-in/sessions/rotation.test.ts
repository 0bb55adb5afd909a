// Rotation of refresh tokens: the first use of a child confirms it and replaces its parent. Tests the answers to
// repeated tokens, and the state after a restart.
import t, { type Test } from 'tap';
import type { Api, Reply } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { partsOf } from '../../support/forge.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { ageRotation, type SessionRow, sessionRow } from './rows.ts';

interface SignedIn {
  readonly database: TestDatabase;
  readonly api: Api;
  readonly account: Account;
}

async function signedIn(t: Test, settings: Record<string, string> = {}): Promise<SignedIn> {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, settings);
  return { database, api, account: await newAccount(api) };
}

function present(api: Api, refreshToken: string): Promise<Reply> {
  return api.post('/auth/refresh', { refreshToken });
}

/** Exchanges a refresh token and returns its child. Raises unless the answer is 200. */
async function exchange(api: Api, refreshToken: string): Promise<string> {
  const reply = await present(api, refreshToken);
  if (reply.status !== 200) throw new Error(`refresh answered ${reply.status}: ${reply.text}`);
  return reply.body.data.refreshToken;
}

t.test('the first token of a session is exchanged for a child that names the first as its parent', async (t) => {
  const { database, api, account } = await signedIn(t);
  const first = partsOf(account.refreshToken).claims;
  t.equal(first.prt, first.jti, 'the first token names itself');
  const child = partsOf(await exchange(api, account.refreshToken)).claims;
  t.match(child, { prt: first.jti, sid: account.sessionId, sub: account.userId });
  t.not(child.jti, first.jti);
  t.match(await sessionRow(database, account.sessionId), {
    confirmed: first.jti,
    previous: null,
    successor: child.jti,
  });
});

t.test('a confirmed token that is sent again within the grace period gets the same child', async (t) => {
  const { api, account } = await signedIn(t);
  const child = await exchange(api, account.refreshToken);
  for (let repetition = 0; repetition < 5; repetition += 1) {
    t.equal(await exchange(api, account.refreshToken), child);
  }
});

t.test('a confirmed token whose child was never used gets a new child, even after a long time', async (t) => {
  const { database, api, account } = await signedIn(t);
  const lost = new Set<string>();
  for (const seconds of [11, 3600, 20 * 86_400]) {
    lost.add(await exchange(api, account.refreshToken));
    await ageRotation(database, account.sessionId, seconds);
  }
  t.equal(lost.size, 3, 'each exchange returns a new child');
  const held = await exchange(api, account.refreshToken);
  await ageRotation(database, account.sessionId);
  t.equal((await present(api, held)).status, 200, 'the child that arrived continues the session');
});

t.test('of several children of one token only the child that is used first is confirmed', async (t) => {
  const { database, api, account } = await signedIn(t);
  const older = await exchange(api, account.refreshToken);
  await ageRotation(database, account.sessionId);
  const newer = await exchange(api, account.refreshToken);
  const grandchild = await exchange(api, older);
  t.equal((await sessionRow(database, account.sessionId)).confirmed, partsOf(older).claims.jti);
  t.equal((await present(api, newer)).code, 'refresh_token_reused', 'the other child is refused');
  t.equal((await present(api, grandchild)).code, 'refresh_token_reused', 'the session has ended for both children');
});

t.test('the first use of a child confirms it and replaces its parent', async (t) => {
  const { database, api, account } = await signedIn(t);
  const child = await exchange(api, account.refreshToken);
  const grandchild = await exchange(api, child);
  t.match(await sessionRow(database, account.sessionId), {
    confirmed: partsOf(child).claims.jti,
    previous: partsOf(account.refreshToken).claims.jti,
    successor: partsOf(grandchild).claims.jti,
  });
});

t.test('a delayed request with the replaced token gets the current child and does not end the session', async (t) => {
  const { database, api, account } = await signedIn(t);
  const grandchild = await exchange(api, await exchange(api, account.refreshToken));
  const before = await sessionRow(database, account.sessionId);
  t.equal(await exchange(api, account.refreshToken), grandchild, 'the replaced token works within the grace period');
  t.same(chainOf(await sessionRow(database, account.sessionId)), chainOf(before));
  t.equal((await present(api, grandchild)).status, 200);
});

function chainOf({ confirmed, previous, successor }: SessionRow) {
  return { confirmed, previous, successor };
}

t.test('a replaced token after the grace period ends the session for good and writes an event', async (t) => {
  const { database, api, account } = await signedIn(t);
  const { accessToken, refreshToken: child } = (await present(api, account.refreshToken)).body.data;
  const grandchild = await exchange(api, child);
  await ageRotation(database, account.sessionId);
  const reuse = await present(api, account.refreshToken);
  t.match(reuse, { status: 401, code: 'refresh_token_reused' });
  t.notOk(reuse.body.data, 'the refusal contains no token');
  for (const token of [account.refreshToken, child, grandchild]) {
    t.match(await present(api, token), { status: 401, code: 'refresh_token_reused' });
  }
  t.equal((await sessionRow(database, account.sessionId)).revoked_reason, 'reuse_detected');
  t.same(await eventsAbout(database, account.sessionId), ['session.opened', 'session.reuse_detected'], 'recorded once');
  t.equal((await api.get('/me', { token: accessToken })).code, 'session_revoked', 'the access tokens end at once');
});

t.test('a token older than the replaced token ends the session even within the grace period', async (t) => {
  const { api, account } = await signedIn(t);
  const child = await exchange(api, account.refreshToken);
  const last = await exchange(api, await exchange(api, child));
  t.equal((await present(api, account.refreshToken)).code, 'refresh_token_reused');
  t.equal((await present(api, last)).code, 'refresh_token_reused');
});

t.test('reuse of a token ends only the session of the token', async (t) => {
  const { database, api, account } = await signedIn(t);
  const { email, password } = account;
  const other = (await api.post('/auth/login', { email, password })).body.data;
  await exchange(api, await exchange(api, account.refreshToken));
  await ageRotation(database, account.sessionId);
  t.equal((await present(api, account.refreshToken)).code, 'refresh_token_reused');
  t.equal((await present(api, other.refreshToken)).status, 200);
});

t.test('the chain, the grace period and the end of a session survive a restart', async (t) => {
  const database = await createDatabase(t);
  const first = await openService(t, database);
  const account = await newAccount(first.api);
  const doomed = await newAccount(first.api);
  const child = await exchange(first.api, account.refreshToken);
  const stale = await exchange(first.api, doomed.refreshToken);
  await exchange(first.api, stale);
  await ageRotation(database, doomed.sessionId);
  t.equal((await present(first.api, doomed.refreshToken)).code, 'refresh_token_reused');
  await first.app.close();

  const { api } = await openService(t, database);
  t.equal(await exchange(api, account.refreshToken), child, 'the same child within the grace period');
  const grandchild = await exchange(api, child);
  t.equal((await present(api, stale)).code, 'refresh_token_reused', 'an ended session stays ended after the restart');
  await ageRotation(database, account.sessionId);
  t.equal(
    (await present(api, account.refreshToken)).code,
    'refresh_token_reused',
    'reuse is recognised after the restart',
  );
  t.equal((await present(api, grandchild)).code, 'refresh_token_reused');
});

t.test('a process refuses a session that another process has ended', async (t) => {
  const database = await createDatabase(t);
  const one = await openService(t, database);
  const other = await openService(t, database);
  const account = await newAccount(one.api);
  t.equal((await other.api.post('/auth/logout', { refreshToken: account.refreshToken })).status, 204);
  t.equal((await present(one.api, account.refreshToken)).code, 'session_revoked');
  await one.app.parts.revocations.synchronize();
  t.equal((await one.api.get('/me', { token: account.accessToken })).code, 'session_revoked');
});

t.test('with a grace period of 0 each repetition gets a new child, and one child can continue', async (t) => {
  const { api, account } = await signedIn(t, { REFRESH_REUSE_GRACE: '0' });
  const one = await exchange(api, account.refreshToken);
  const two = await exchange(api, account.refreshToken);
  t.not(one, two);
  t.equal((await present(api, two)).status, 200);
  t.equal((await present(api, account.refreshToken)).code, 'refresh_token_reused');
});
