// The revocation feed as its consumers use it: the document, the stream, how to continue after a cursor, and who may
// read the feed.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { removeEndedNow } from '../../../src/sign-in/sessions/remove-ended.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClientWithToken } from '../../support/fixtures/clients.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { consume, has, untilSettled } from './consumer.ts';

async function openFeedTest(t: Test, settings: Record<string, string> = {}) {
  const database = await createDatabase(t);
  const service = await openService(t, database, settings);
  await service.app.parts.revocations.synchronize();
  const token = (organizationId: string | null = null, permissions = ['revocations:read']) =>
    seedClientWithToken(service.app, database, { organizationId, permissions });
  const logout = async () => {
    const account = await newAccount(service.api);
    await service.api.post('/auth/logout', { refreshToken: account.refreshToken });
    return account;
  };
  const settled = () => untilSettled(service.app, database);
  return { database, ...service, token, logout, settled };
}

t.test('the document is a snapshot, and after a cursor it has the newer events', async (t) => {
  const { api, token, logout, settled } = await openFeedTest(t);
  const client = await token();
  const first = await logout();
  const whole = await api.get('/revocations', { token: client.token });
  t.equal(whole.status, 200);
  t.match(whole.headers.get('content-type'), /^application\/json/);
  t.equal(whole.headers.get('vary'), 'Accept');
  t.equal(whole.headers.get('cache-control'), 'no-store');
  const { cursor, snapshot, events } = whole.body.data;
  t.equal(snapshot, true);
  t.ok(has(events, { kind: 'session', sid: first.sessionId }));
  const second = await logout();
  const later = await api.get(`/revocations?after=${cursor}`, { token: client.token });
  t.equal(later.body.data.snapshot, false);
  t.ok(has(later.body.data.events, { sid: second.sessionId }));
  await settled();
  const newest = await api.get(`/revocations?after=${later.body.data.cursor}`, { token: client.token });
  const idle = await api.get(`/revocations?after=${newest.body.data.cursor}`, { token: client.token });
  t.strictSame(idle.body.data.events, []);
  t.equal(idle.body.data.snapshot, false);
});

t.test('a stream starts with a snapshot, and then sends later events and heartbeats', async (t) => {
  const { url, token, logout } = await openFeedTest(t);
  const client = await token();
  const before = await logout();
  const stream = await consume(t, url, client.token);
  t.equal(stream.status, 200);
  t.match(stream.headers.get('content-type'), /^text\/event-stream\b/);
  t.equal(stream.headers.get('x-accel-buffering'), 'no');
  t.match(stream.headers.get('cache-control'), /no-store/);
  t.equal(stream.headers.get('content-encoding'), null);
  const [snapshot] = await stream.until(({ event }) => event === 'snapshot');
  t.equal(snapshot?.data.cursor, snapshot?.id);
  t.ok(has(snapshot?.data.events ?? [], { sid: before.sessionId }));
  const after = await logout();
  const news = await stream.until(({ data }) => data.sid === after.sessionId);
  t.ok(
    news.every(({ event, id }) => event !== 'revocation' || id),
    'each event has a cursor',
  );
  const [beat] = (await stream.until(({ event }) => event === 'heartbeat')).slice(-1);
  t.ok(Number.isFinite(Date.parse(beat?.data.at ?? '')));
  t.ok(beat?.id);
});

t.test('a consumer that was disconnected receives the events that it missed, also from another replica', async (t) => {
  const { api, database, url, token, logout, settled } = await openFeedTest(t);
  const other = await openService(t, database);
  await other.app.parts.revocations.synchronize();
  const client = await token();
  const stream = await consume(t, url, client.token);
  await stream.heartbeat();
  stream.leave();
  const missed = await logout();
  const again = await consume(t, other.url, client.token, { lastEventId: stream.lastId() });
  const events = await again.heartbeat();
  t.ok(has(events, { sid: missed.sessionId }));
  t.notOk(
    again.frames.some(({ event }) => event === 'snapshot'),
    'a consumer that connects again with a cursor gets no snapshot',
  );
  const late = await logout();
  await again.until(({ data }) => data.sid === late.sessionId);
  const queried = await consume(t, url, client.token, { query: `?after=${stream.lastId()}` });
  t.ok(has(await queried.heartbeat(), { sid: missed.sessionId }), 'a cursor in the query works as well');
  await settled();
  const newest = (await api.get('/revocations', { token: client.token })).body.data.cursor;
  const both = await consume(t, url, client.token, { query: `?after=${stream.lastId()}`, lastEventId: newest });
  t.notOk(has(await both.heartbeat(), { sid: missed.sessionId }), 'the newer cursor, which is in the header, is used');
});

t.test('a cursor at which the feed cannot continue is answered with a snapshot', async (t) => {
  const { database, api, token, logout } = await openFeedTest(t);
  const client = await token();
  const known = await logout();
  const { cursor } = (await api.get('/revocations', { token: client.token })).body.data;
  const [name, tx, at] = Buffer.from(cursor, 'base64url').toString().split('.');
  const made = (...parts: unknown[]) => Buffer.from(parts.join('.')).toString('base64url');
  const ask = async (after: string) =>
    (await api.get(`/revocations?after=${after}`, { token: client.token })).body.data;
  for (const [what, text] of Object.entries({
    'of another database': made('00000000', tx, at),
    'of a transaction to come': made(name, BigInt(tx ?? 0) + 1_000_000n, at),
    'of the largest transaction': made(name, 2n ** 63n - 1n, at),
    'of no transaction': made(name, 2n ** 63n, at),
    'of an instant to come': made(name, tx, Number(at) + 3_600_000),
    'too old': made(name, tx, Number(at) - 3_600_000),
    'of another version': made(name, tx, at, 'more'),
    'of nobody': 'AAAA',
  })) {
    const { snapshot, events } = await ask(text);
    t.equal(snapshot, true, what);
    t.ok(has(events, { sid: known.sessionId }), what);
  }
  t.equal((await ask(cursor)).snapshot, false, 'the valid cursor still works');
  // The database was restored to a time before the cursor. Since then its transaction numbers have passed the cursor.
  await database.query(
    `INSERT INTO revocations (id, kind, subject, at, tx) VALUES ($1, 'session', $1, now() + interval '1 second', $2)`,
    [randomUUID(), String(BigInt(tx ?? 0) - 1n)],
  );
  t.equal((await ask(cursor)).snapshot, true, 'of a restored database');
});

t.test('a value that cannot be a cursor is refused', async (t) => {
  const { api, url, token } = await openFeedTest(t);
  const client = await token();
  for (const text of ['', 'a b', '%00', 'x'.repeat(129), 'ä', 'a=b', '../x']) {
    const reply = await api.get(`/revocations?after=${encodeURIComponent(text)}`, { token: client.token });
    refused(t, reply, 'validation_failed', JSON.stringify(text));
  }
  const twice = await api.get('/revocations?after=AAAA&after=AAAA', { token: client.token });
  refused(t, twice, 'validation_failed', 'twice');
  refused(t, await api.get('/revocations?since=AAAA', { token: client.token }), 'validation_failed', 'another name');
  for (const lastEventId of ['a b', 'x'.repeat(129), 'a;b']) {
    const stream = await consume(t, url, client.token, { lastEventId });
    t.equal(stream.status, 422, lastEventId);
  }
  const empty = await consume(t, url, client.token, { lastEventId: '' });
  t.equal(empty.status, 200, 'an empty header is not a cursor');
});

t.test('the Accept header chooses between document and stream', async (t) => {
  const { api, url, token } = await openFeedTest(t);
  const client = await token();
  const asked = async (accept: string) => {
    const abort = new AbortController();
    const headers = { accept, authorization: `Bearer ${client.token}` };
    const response = await fetch(`${url}/api/v1/revocations`, { headers, signal: abort.signal });
    abort.abort();
    return response.status === 200
      ? /event-stream/.test(response.headers.get('content-type') ?? '')
        ? 'stream'
        : 'document'
      : response.status;
  };
  for (const [accept, form] of Object.entries({
    '*/*': 'document',
    'application/json': 'document',
    'text/event-stream': 'stream',
    'TEXT/Event-Stream': 'stream',
    'text/event-stream; charset=utf-8': 'stream',
    'text/*': 'stream',
    'text/event-stream, */*': 'stream',
    'text/event-stream, */*;q=0.8': 'stream',
    'text/event-stream;q=0.5, application/json': 'document',
    'text/event-stream;q=0.5, application/json;q=0.4': 'stream',
    'text/event-stream ; q=0.9 , application/* ; q=0.8': 'stream',
    'text/event-stream;q=0, */*': 'document',
    'application/json;q=0, */*;q=0.1': 'stream',
    'text/html': 406,
    'application/json;q=0': 406,
    'text/event-stream;q=0': 406,
    nonsense: 'document',
    'text/event-stream;q=2': 'document',
  })) {
    t.equal(await asked(accept), form, accept);
  }
  refused(
    t,
    await api.get('/revocations', { token: client.token, headers: { accept: 'image/png' } }),
    'not_acceptable',
    'image/png',
  );
});

t.test('only service clients with revocations:read may read the feed', async (t) => {
  const { api, token, logout } = await openFeedTest(t);
  const account = await newAccount(api);
  refused(t, await api.get('/revocations'), 'unauthenticated', 'nobody');
  refused(t, await api.get('/revocations', { token: account.accessToken }), 'client_required', 'an owner');
  const none = await token(account.organization.id, ['users:read']);
  refused(t, await api.get('/revocations', { token: none.token }), 'permission_denied', 'another permission');
  for (const permission of ['revocations:read', 'revocations:*', '*:*']) {
    const { token: held } = await token(account.organization.id, [permission]);
    t.equal((await api.get('/revocations', { token: held })).status, 200, permission);
  }
  const own = await token(account.organization.id);
  const { organization } = await logout();
  const foreign = await api.get('/revocations', { token: own.token, headers: { 'x-tenant-id': organization.id } });
  refused(t, foreign, 'tenant_mismatch', 'for another organization');
});

t.test('a HEAD is answered and leaves no stream open', async (t) => {
  const { app, url, token, logout } = await openFeedTest(t);
  const client = await token();
  for (let times = 0; times < 15; times += 1) {
    const headers = { accept: 'text/event-stream', authorization: `Bearer ${client.token}` };
    const reply = await fetch(`${url}/api/v1/revocations`, { method: 'HEAD', headers });
    t.equal(reply.status, 200, 'beyond the limit of open streams');
    t.equal(await reply.text(), '');
  }
  await logout();
  await app.close();
});

t.test('the row of an ended session stays while the feed reads its revocation, and is removed later', async (t) => {
  const { app, api, database, token, logout } = await openFeedTest(t);
  const { organization, sessionId } = await logout();
  const own = await token(organization.id);
  const { db, log } = app.parts;
  const told = async () => (await api.get('/revocations', { token: own.token })).body.data.events;
  await removeEndedNow({ db, log, retentionSeconds: 0 });
  t.ok(has(await told(), { sid: sessionId }));
  await database.query(`UPDATE sessions SET revoked_at = revoked_at - interval '27 minutes'`);
  await removeEndedNow({ db, log, retentionSeconds: 0 });
  t.strictSame(await database.query('SELECT 1 FROM sessions WHERE id = $1', [sessionId]), []);
});
