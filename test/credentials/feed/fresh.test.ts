// A heartbeat of the feed says that every event has been sent. The feed sends no heartbeat while it cannot know whether
// this is true.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { Problem } from '../../../src/base/errors/problem.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { type Feed, openFeed } from '../../../src/credentials/feed/feed.ts';
import type { ClientCaller } from '../../../src/protocol/caller.ts';
import { createDatabase, endConnections } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClientWithToken } from '../../support/fixtures/clients.ts';
import { seedOrganization } from '../../support/fixtures/people.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { blockableReads } from '../stream/replicas.ts';

const callerOf = (organizationId: string | null): ClientCaller => ({
  ...{ kind: 'client', id: '00000000-0000-7000-8000-000000000001', organizationId, organizationSlug: null },
  ...{ permissions: ['revocations:read'], epoch: 0, issuedAt: Date.now() / 1000 },
});

/** Opens a stream of the feed, and reads it as it arrives. */
async function follow(t: Test, feed: Feed, organizationId: string | null, after: string | null = null) {
  const subscriber = { client: callerOf(organizationId), expiresAt: Number.POSITIVE_INFINITY };
  const stream: Readable = await feed.stream(subscriber, after);
  t.teardown(() => stream.destroy());
  let text = '';
  stream.setEncoding('utf8').on('data', (piece) => {
    text += piece;
  });
  const count = (event: string) => text.split(`event: ${event}\n`).length - 1;
  return {
    stream,
    count,
    text: () => text,
    lastId: () =>
      text
        .match(/id: (\S+)/g)
        ?.at(-1)
        ?.slice(4) ?? '',
  };
}

t.test('a replica whose reads are too old sends the events that it reads, and sends no heartbeat', async (t) => {
  const { app } = await openService(t, await createDatabase(t));
  const { revocations } = app.parts;
  await revocations.synchronize();
  let behindSeconds = 0;
  let beats = 0;
  const feed = openFeed({
    ...app.parts,
    revocations: {
      ...revocations,
      freshSecondsAgo() {
        beats += 1;
        return behindSeconds;
      },
    },
    ...{ streamsMax: 10, streamsPerClientMax: 10, heartbeatMs: 5 },
  });
  t.teardown(() => feed.close());
  const stream = await follow(t, feed, null);
  await until(() => stream.count('heartbeat') > 2);
  const cursor = stream.lastId();
  behindSeconds = 6;
  const [asked, told] = [beats, stream.count('heartbeat')];
  revocations.publish([{ kind: 'session', sid: callerOf(null).id }]);
  await until(() => stream.count('revocation') === 1);
  await until(() => beats > asked + 5);
  t.equal(stream.count('heartbeat'), told, 'however many were due');
  await t.rejects(feed.document(callerOf(null), null), new Problem('revocations_stale'));
  await t.rejects(feed.stream({ client: callerOf(null), expiresAt: 1e12 }, null), new Problem('revocations_stale'));
  const resumed = await follow(t, feed, null, cursor);
  await until(() => beats > asked + 20);
  t.equal(resumed.count('heartbeat'), 0, 'PostgreSQL returned the newer events, but some may be missing');
  behindSeconds = 0;
  await until(() => stream.count('heartbeat') > told && resumed.count('heartbeat') > 0);
  t.pass('and continues when it has caught up');
});

t.test('an organization gets nothing while PostgreSQL is not reachable, and the missed event afterwards', async (t) => {
  const database = await createDatabase(t);
  const reads = await blockableReads(database);
  await reads.unblock();
  const { app, api } = await openService(t, reads.database);
  await app.parts.revocations.synchronize();
  const account = await newAccount(api);
  const warnings: unknown[] = [];
  const log = openLog({ level: 'silent', pretty: false });
  const feed = openFeed({
    ...app.parts,
    // The heartbeats of the installation continue, although the service cannot reach PostgreSQL.
    revocations: { ...app.parts.revocations, freshSecondsAgo: () => 0 },
    log: Object.assign(log, { warn: (entry: unknown) => void warnings.push(entry) }),
    ...{ streamsMax: 10, streamsPerClientMax: 10, heartbeatMs: 20 },
  });
  t.teardown(() => feed.close());
  const own = await follow(t, feed, account.organization.id);
  const all = await follow(t, feed, null);
  await until(() => own.count('heartbeat') > 2);
  await reads.block();
  await until(() => warnings.length > 0);
  const told = own.count('heartbeat');
  await api.post('/auth/logout', { refreshToken: account.refreshToken });
  const seen = all.count('heartbeat');
  await until(() => all.text().includes(account.sessionId) && all.count('heartbeat') > seen + 5);
  t.notOk(own.text().includes(account.sessionId), 'only clients whose events need no query have received it');
  t.equal(own.count('heartbeat'), told);
  await t.rejects(feed.document(callerOf(account.organization.id), null));
  await t.rejects(feed.stream({ client: callerOf(account.organization.id), expiresAt: 1e12 }, null));
  await reads.unblock();
  await until(() => own.text().includes(account.sessionId) && own.count('heartbeat') > told);
  t.equal(warnings.length, 1, 'the log has one line about it');
});

t.test('an outage is answered with 503 before anything is sent', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  const { organization } = await newAccount(api);
  const settings = { organizationId: organization.id, permissions: ['revocations:read'] };
  const { token } = await seedClientWithToken(app, database, settings);
  const elsewhere = await createDatabase(t);
  await elsewhere.query(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS false`);
  await endConnections(elsewhere, database.name);
  for (const accept of ['application/json', 'text/event-stream']) {
    const reply = await api.get('/revocations', { token, headers: { accept } });
    t.equal(reply.code, 'database_unavailable', accept);
    t.equal(reply.status, 503);
    t.match(reply.headers.get('retry-after'), /^\d+$/);
  }
  await elsewhere.query(`ALTER DATABASE ${database.name} ALLOW_CONNECTIONS true`);
});

t.test('the streams of organizations end when another database replaces the database', async (t) => {
  const database = await createDatabase(t);
  const { app } = await openService(t, database);
  await app.parts.revocations.synchronize();
  const { id } = await seedOrganization(database);
  const feed = openFeed({ ...app.parts, ...{ streamsMax: 10, streamsPerClientMax: 10, heartbeatMs: 20 } });
  t.teardown(() => feed.close());
  const own = await follow(t, feed, id);
  await until(() => own.count('heartbeat') > 0);
  const ended = once(own.stream, 'end');
  await database.query('UPDATE _prisma_migrations SET id = gen_random_uuid()::text');
  await ended;
  const again = await follow(t, feed, id, own.lastId());
  await until(() => again.count('heartbeat') > 0);
  t.equal(again.count('snapshot'), 1, 'a stream that reconnects gets a snapshot');
});

t.test('a closed feed opens no more streams', async (t) => {
  const { app } = await openService(t, await createDatabase(t));
  app.parts.feed.close();
  await t.rejects(
    app.parts.feed.stream({ client: callerOf(null), expiresAt: 1e12 }, null),
    new Problem('service_busy'),
  );
});

t.test('an event during the start of a stream is sent to that stream', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  await app.parts.revocations.synchronize();
  let happen: (() => Promise<unknown>) | null = null;
  const { db } = app.parts;
  // The event happens after PostgreSQL has answered the last query for the snapshot, and before the answer is used.
  const systemReader = () => ({
    personal: db.personal,
    async rows<Row>(...asked: Parameters<ReturnType<typeof db.systemReader>['rows']>) {
      const rows = await db.systemReader().rows<Row>(...asked);
      const [{ text }, values] = asked;
      if (/FROM told/.test(text) && values.at(-1) === null) {
        const now = happen;
        happen = null;
        await now?.();
      }
      return rows;
    },
  });
  const feed = openFeed({ ...app.parts, db: { ...db, systemReader }, streamsMax: 10, streamsPerClientMax: 10 });
  t.teardown(() => feed.close());
  const owner = await newAccount(api);
  for (const organizationId of [null, owner.organization.id]) {
    for (const isNew of [false, true]) {
      const before = isNew ? null : (await follow(t, feed, organizationId)).lastId;
      if (before) await until(() => before() !== '');
      const { refreshToken, sessionId } = (
        await api.post('/auth/login', { email: owner.email, password: owner.password })
      ).body.data;
      happen = () => api.post('/auth/logout', { refreshToken });
      const stream = await follow(t, feed, organizationId, before ? before() : null);
      if (happen) await (happen as () => Promise<unknown>)(); // the stream began without a query
      await until(() => stream.text().includes(sessionId));
    }
  }
  t.pass('of all organizations and of one, from the start and from a cursor');
});

t.test('a stream whose consumer does not read is closed, and no other stream is', async (t) => {
  const { app } = await openService(t, await createDatabase(t));
  await app.parts.revocations.synchronize();
  const feed = openFeed({ ...app.parts, streamsMax: 10, streamsPerClientMax: 10, heartbeatMs: 3_600_000 });
  t.teardown(() => feed.close());
  const unread = await feed.stream({ client: callerOf(null), expiresAt: Number.POSITIVE_INFINITY }, null);
  unread.once('data', () => unread.pause());
  await once(unread, 'data');
  const read = await follow(t, feed, null);
  await until(() => read.count('heartbeat') === 1);
  for (let round = 0; round < 100 && !unread.destroyed; round += 1) {
    await app.parts.publish(Array.from({ length: 1_000 }, () => ({ kind: 'session', sid: randomUUID() })));
    await nextTurn();
  }
  t.ok(unread.destroyed);
  t.notOk(read.stream.destroyed, 'no other stream is closed');
});
