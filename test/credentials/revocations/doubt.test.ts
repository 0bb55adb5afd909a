// What answers say about tokens that the database may have lost. No answer calls such a token inactive or its session
// ended: a client would throw away a token that may be good again a moment later.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { acceptDatabase } from '../../../src/admin/restore/restore.ts';
import { judgeLineage, readDoubt } from '../../../src/credentials/revocations/lineage-store.ts';
import { openSidecar } from '../../../src/sidecar/core/sidecar.ts';
import { createVerifier, VerificationError } from '../../../src/verifier/index.ts';
import { post } from '../../access/oauth/calls.ts';
import { openClient, openUpstream, refusal } from '../../sidecar/open.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { type SeededClient, seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { openService } from '../../support/service.ts';
import { loseSession, promote, rowOf } from './set-back.ts';

const SET_BACK = [503, 'database_set_back'];
const LOST_CHANGES = {
  status: 503,
  body: { error: 'temporarily_unavailable', error_description: /may have lost changes/ },
};

async function open(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const { synchronize } = service.app.parts.revocations;
  const [lost, ended] = [await newAccount(service.api), await newAccount(service.api)];
  const client = await seedClient(database, { organizationId: null, permissions: ['revocations:read'] });
  await service.api.post('/auth/logout', { refreshToken: ended.refreshToken });
  /** The failover: the logout and everything about one session are lost. */
  const failOver = async () => {
    await loseSession(database, ended);
    await loseSession(database, lost);
    await promote(database);
  };
  const introspect = (token: string, by: SeededClient = client) =>
    post(service.api, '/oauth/introspect', { token }, by);
  return { database, service, api: service.api, synchronize, lost, ended, client, failOver, introspect };
}

for (const isNoticed of [true, false]) {
  const when = isNoticed ? 'after a failover was noticed' : 'before this process has noticed a failover';
  t.test(`a session that the database does not have is called neither inactive nor ended ${when}`, async (t) => {
    const { database, service, api, synchronize, lost, failOver, introspect } = await open(t);
    const gone = await seedClient(database, { organizationId: null });
    const ofClient = await tokenOfClient(service.app, database, gone.id);
    const account = await newAccount(api);
    await failOver();
    await database.query('DELETE FROM clients WHERE id = $1', [gone.id]);
    if (isNoticed) await synchronize();
    // If the failover has not been noticed yet, the first of these requests must notice it.
    const first = { refresh: lost.refreshToken, access: lost.accessToken, client: ofClient };
    for (const [name, token] of Object.entries(first)) {
      t.match(await introspect(token), LOST_CHANGES, name);
    }
    const refreshed = await api.post('/auth/refresh', { refreshToken: lost.refreshToken });
    t.strictSame([refreshed.status, refreshed.code, refreshed.setCookie], [...SET_BACK, []]);
    t.match(await introspect(account.accessToken), LOST_CHANGES, 'a session that is there is in doubt as well');
    t.match(await rowOf(database), { reason: 'lost' });
    await acceptDatabase(service.app.parts);
    await synchronize();
    t.strictSame((await introspect(lost.refreshToken)).body, { active: false }, 'accepted: what is lost is lost');
    t.match((await introspect(account.accessToken)).body, { active: true });
    t.equal((await api.post('/auth/refresh', { refreshToken: lost.refreshToken })).code, 'invalid_refresh_token');
  });
}

t.test('the first request that finds no session asks whether the database went back', async (t) => {
  for (const ask of ['refresh', 'introspect an access token', 'introspect a refresh token'] as const) {
    const { api, lost, failOver, introspect } = await open(t);
    await failOver();
    const reply =
      ask === 'refresh'
        ? await api.post('/auth/refresh', { refreshToken: lost.refreshToken })
        : await introspect(ask === 'introspect an access token' ? lost.accessToken : lost.refreshToken);
    t.equal(reply.status, 503, ask);
  }
});

t.test('while the database may have lost a client or its secret, no answer calls the client wrong', async (t) => {
  const { api, synchronize, client, failOver, introspect, lost } = await open(t);
  const unknown = { id: randomUUID(), secret: client.secret };
  t.equal((await introspect(lost.accessToken, unknown)).status, 401);
  await failOver();
  await synchronize();
  const asked = { grant_type: 'client_credentials' };
  for (const [path, form] of [
    ['/oauth/token', asked],
    ['/oauth/introspect', { token: lost.accessToken }],
    ['/oauth/revoke', { token: lost.accessToken }],
  ] as const) {
    t.match(await post(api, path, form, unknown), LOST_CHANGES, path);
    t.match(await post(api, path, form, { ...client, secret: `tcs_${'x'.repeat(43)}` }), LOST_CHANGES, path);
  }
  t.equal((await post(api, '/oauth/token', asked, client)).status, 200, 'a client that is there gets a new token');
});

for (const isNoticed of [true, false]) {
  const when = isNoticed ? 'after a failover was noticed' : 'before this process has noticed a failover';

  t.test(`the end of a lost session is kept ${when}: its access token stays refused`, async (t) => {
    const { database, service, api, synchronize, lost, client, failOver } = await open(t);
    const other = await newAccount(api);
    await failOver();
    await loseSession(database, other);
    if (isNoticed) await synchronize();
    for (const _ of [1, 2]) {
      t.equal((await api.post('/auth/logout', { refreshToken: lost.refreshToken })).status, 204);
      t.equal((await post(api, '/oauth/revoke', { token: other.refreshToken }, client)).status, 200);
    }
    const events = await database.query(
      `SELECT data, actor_id, target_id FROM events WHERE type = 'session.ended' AND target_id = $1`,
      [lost.sessionId],
    );
    t.strictSame(events, [{ data: { reason: 'logout' }, actor_id: lost.userId, target_id: lost.sessionId }], 'once');
    await synchronize();
    await acceptDatabase(service.app.parts);
    const second = await openService(t, database);
    for (const { app, api: at } of [service, second]) {
      await app.parts.revocations.synchronize();
      for (const { accessToken: token } of [lost, other]) {
        t.equal((await at.get('/me', { token })).code, 'session_revoked');
      }
    }
  });

  t.test(`a client of an organization is told that a lost session could not be ended ${when}`, async (t) => {
    const { database, service, api, synchronize, lost, failOver } = await open(t);
    const [stays, foreign] = [await newAccount(api), await newAccount(api)];
    const own = await seedClient(database, { organizationId: lost.organization.id });
    const revoke = (token: string) => post(api, '/oauth/revoke', { token }, own);
    t.equal((await revoke(foreign.refreshToken)).status, 200);
    await failOver();
    if (isNoticed) await synchronize();
    t.match(await revoke(lost.refreshToken), LOST_CHANGES);
    t.equal((await revoke(stays.refreshToken)).status, 200, 'a session of another organization that is there');
    await acceptDatabase(service.app.parts);
    await synchronize();
    t.equal((await revoke(lost.refreshToken)).status, 200);
    t.equal((await api.get('/me', { token: stays.accessToken })).status, 200);
  });
}

t.test('a second failover also puts in doubt what began since the first', async (t) => {
  const { database, api, synchronize, lost, failOver } = await open(t);
  await failOver();
  await synchronize();
  const { email, password } = lost;
  const between = (await api.post('/auth/login', { email, password })).body.data;
  await database.query("UPDATE database_lineage SET doubted_at = doubted_at - interval '1 minute'");
  await synchronize();
  t.equal((await api.get('/me', { token: between.accessToken })).status, 200);
  const leaves = await newAccount(api);
  await api.post('/auth/logout', { refreshToken: leaves.refreshToken });
  await loseSession(database, leaves);
  await promote(database);
  await synchronize();
  const refused = await api.get('/me', { token: between.accessToken });
  t.strictSame([refused.status, refused.code], SET_BACK);
});

t.test('a second loss within one timeline also puts in doubt what began since the first', async (t) => {
  const { database, service } = await open(t);
  const reader = service.app.parts.db.systemReader();
  const doubted = async () => (await readDoubt(reader))?.before ?? new Date(0);
  const { lineage = '' } = (await rowOf(database)) ?? {};
  const judge = (wentBack: boolean) => judgeLineage(reader, { lineage, verdict: 'lost', wentBack });
  await judge(true);
  await database.query("UPDATE database_lineage SET doubted_at = doubted_at - interval '1 minute'");
  const first = await doubted();
  await judge(false);
  t.strictSame(await doubted(), first, 'no further loss');
  await judge(true);
  t.ok((await doubted()).getTime() >= first.getTime() + 60_000);
});

t.test('a verifier and a sidecar say that they cannot judge, and not that a token is stale', async (t) => {
  const { service, synchronize, lost, client, failOver } = await open(t);
  const verifier = createVerifier({
    issuer: 'http://localhost:3000',
    audience: 'tenantry',
    serviceUrl: service.url,
    revocation: { credentials: { clientId: client.id, clientSecret: client.secret } },
    // Without the feed, every token is introspected.
    fetch: (url, init) =>
      String(url).endsWith('/revocations') ? Promise.reject(new Error('no feed')) : fetch(url, init),
    onError: () => undefined,
  });
  const upstream = await openUpstream(t);
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
  const listen = { host: '127.0.0.1', port: 0 };
  const sidecar = await openSidecar({ verifier, log, now: Date.now }, { upstream: upstream.url }, listen);
  t.teardown(() => sidecar.close(0));
  const connect = (token: string) =>
    openClient(`ws://127.0.0.1:${sidecar.address.port}/`, [], { headers: { authorization: `Bearer ${token}` } });
  const [{ accessToken: opening }, { accessToken }] = [await newAccount(service.api), await newAccount(service.api)];
  const socket = await connect(opening);
  await failOver();
  await synchronize();
  for (const token of [lost.accessToken, accessToken]) {
    const refused = await verifier.verify(token).catch((error: unknown) => error);
    t.ok(refused instanceof VerificationError);
    t.equal((refused as VerificationError).code, 'revocations_stale');
  }
  t.match(await refusal(connect(lost.accessToken)), { status: 503, code: 'revocations_stale' });
  socket.socket.send('still open');
  t.equal(await socket.message(), 'still open', 'an open socket is not closed by the doubt');
});

t.test('the feed answers with 503 while sessions are in doubt', async (t) => {
  const { database, service, api, synchronize, lost, failOver } = await open(t);
  const own = await seedClient(database, {
    organizationId: lost.organization.id,
    permissions: ['revocations:read'],
  });
  const before = await tokenOfClient(service.app, database, own.id);
  const cursor = (await api.get('/revocations', { token: before })).body.data.cursor as string;
  await failOver();
  await synchronize();
  await new Promise((resolve) => setTimeout(resolve, 1_100)); // a token of the next second is not in doubt
  for (const { id } of [own, await seedClient(database, { organizationId: null, permissions: ['revocations:read'] })]) {
    const token = await tokenOfClient(service.app, database, id);
    for (const path of ['/revocations', `/revocations?after=${cursor}`]) {
      for (const headers of [{}, { accept: 'text/event-stream' }]) {
        const reply = await api.get(path, { token, headers });
        t.strictSame([reply.status, reply.code], [503, 'revocations_stale'], path);
      }
    }
  }
});
