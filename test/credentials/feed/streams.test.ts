// Open streams of the feed: when a stream ends, how many streams a client may open, and what happens to a consumer that
// does not read. No event is missed when a consumer disconnects and connects again.
// Runs in a process of its own: it measures memory.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { raiseEpochs } from '../../../src/directory/users/epoch-store.ts';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { seedClientWithToken } from '../../support/fixtures/clients.ts';
import { seedMember, seedOrganization } from '../../support/fixtures/people.ts';
import { openTransaction } from '../../support/locks.ts';
import { requestHead } from '../../support/raw.ts';
import { openService, spawnService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { consume, eventsOf, has } from './consumer.ts';

async function openStreams(t: Test, settings: Record<string, string> = {}) {
  const database = await createDatabase(t);
  const service = await openService(t, database, settings);
  await service.app.parts.revocations.synchronize();
  const reader = (organizationId: string | null = null) =>
    seedClientWithToken(service.app, database, { organizationId, permissions: ['revocations:read'] });
  const open = async (organizationId: string | null = null) => {
    const client = await reader(organizationId);
    const stream = await consume(t, service.url, client.token);
    await stream.heartbeat();
    return { ...client, stream };
  };
  return { database, ...service, reader, open };
}

const sessions = (count: number): Revocation[] =>
  Array.from({ length: count }, () => ({ kind: 'session', sid: randomUUID() }));

t.test('a stream ends when the token that opened it is no longer valid', async (t) => {
  const { app, api, clock, database, open } = await openStreams(t);
  const owner = await newAccount(api);
  const mine = owner.organization.id;
  await t.test('when the client is changed', async (t) => {
    const { id, stream } = await open(mine);
    const bystander = await open(mine);
    await api.patch(`/clients/${id}`, { name: 'renamed', status: 'disabled' }, { token: owner.accessToken });
    t.notOk(eventsOf(await stream.end()).length > 1, 'the stream sends no event after the one that ends its token');
    await bystander.stream.until(({ data }) => data.client_id === id);
  });
  await t.test('when another replica has revoked the token', async () => {
    const { id, stream } = await open();
    await database.query('UPDATE clients SET epoch = 1 WHERE id = $1', [id]);
    await database.query(
      `INSERT INTO revocations (id, kind, subject, epoch) VALUES (gen_random_uuid(), 'client', $1, 1)`,
      [id],
    );
    await app.parts.revocations.synchronize();
    await stream.end();
  });
  await t.test('when the organization of the client is suspended or deleted', async () => {
    const administrator = await newAdministrator({ app, api } as Parameters<typeof newAdministrator>[0]);
    const other = await seedOrganization(database);
    const [first, bystander] = [await open(other.id), await open(mine)];
    await api.post(`/admin/organizations/${other.id}/suspend`, undefined, { token: administrator.accessToken });
    await first.stream.end();
    const second = await open(mine);
    await api.delete('/organizations/current', { token: owner.accessToken });
    await second.stream.end();
    await bystander.stream.end();
  });
  await t.test('when a revocation ends every token that was issued before a given time', async () => {
    const { stream } = await open();
    app.parts.publish([{ kind: 'everything', not_before: Math.floor(clock.now().getTime() / 1000) + 1 }]);
    await stream.end();
  });
  await t.test('when the token expires', async () => {
    clock.advance(2);
    const { stream } = await open();
    clock.advance(15 * 60);
    await stream.end();
  });
});

t.test('the number of open streams has a limit, in total and for one client', async (t) => {
  const { url, reader } = await openStreams(t, { FEED_STREAMS_MAX: '3', FEED_STREAMS_PER_CLIENT_MAX: '2' });
  const [a, b] = [await reader(), await reader()];
  const first = await consume(t, url, a.token);
  await consume(t, url, a.token);
  const third = await consume(t, url, a.token);
  t.equal(third.status, 429);
  t.match(third.headers.get('retry-after'), /^\d+$/);
  t.equal((await consume(t, url, b.token)).status, 200, 'another client has its own limit');
  const fourth = await consume(t, url, b.token);
  t.equal(fourth.status, 503);
  t.match(fourth.headers.get('retry-after'), /^\d+$/);
  const json = await consume(t, url, a.token, { accept: 'application/json' });
  t.equal(json.status, 200, 'a document needs no slot');
  json.leave();
  first.leave();
  await until(async () => (await consume(t, url, a.token)).status === 200);
  t.pass('a closed stream frees its slot');
});

t.test('no organization can use up the slots of others, and the installation has slots of its own', async (t) => {
  const limits = { FEED_STREAMS_MAX: '10', FEED_STREAMS_PER_CLIENT_MAX: '2' };
  const { url, reader, database } = await openStreams(t, limits);
  const openOf = async (organizationId: string | null) => consume(t, url, (await reader(organizationId)).token);
  const greedy = (await seedOrganization(database)).id;
  const first = await openOf(greedy);
  t.equal((await openOf(greedy)).status, 200);
  t.equal((await openOf(greedy)).status, 429, 'a third client of the same organization');
  for (let other = 0; other < 6; other += 1) {
    t.equal((await openOf((await seedOrganization(database)).id)).status, 200, `another organization: ${other}`);
  }
  t.equal((await openOf((await seedOrganization(database)).id)).status, 503, 'organizations have four slots of five');
  for (const turn of [1, 2]) t.equal((await openOf(null)).status, 200, `the installation: ${turn}`);
  t.equal((await openOf(null)).status, 503);
  first.leave();
  await until(async () => (await openOf(greedy)).status === 200);
});

t.test('the number of documents read at the same time has a limit, and a finished one frees its slot', async (t) => {
  const { url, api, reader, database } = await openStreams(t, { FEED_STREAMS_PER_CLIENT_MAX: '2' });
  const { id: organizationId } = await seedOrganization(database);
  await database.query(
    `INSERT INTO revocations (id, kind, subject, caused_in)
     SELECT gen_random_uuid(), 'session', gen_random_uuid(), $1 FROM generate_series(1, 150000)`,
    [organizationId],
  );
  const { token } = await reader(organizationId);
  const unread = async () => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => undefined);
    t.teardown(() => socket.destroy());
    socket.write(requestHead('GET', '/api/v1/revocations', `Authorization: Bearer ${token}`));
    await once(socket, 'readable'); // the request has its slot, and the test never reads the document
    return socket;
  };
  const sockets = [await unread(), await unread()];
  const ask = (method = 'HEAD') => api.call(method, '/revocations', undefined, { token });
  t.equal((await ask()).status, 429);
  for (const socket of sockets) socket.destroy();
  await until(async () => (await ask()).status === 200);
  for (let turn = 0; turn < 5; turn += 1) t.equal((await ask()).status, 200, `${turn}`);
  t.equal((await ask('GET')).body.data.events.length, 150_000);
  t.equal((await ask()).status, 200);
});

t.test('a consumer that does not read is disconnected, and delays no other consumer', async (t) => {
  const { app, url, reader } = await openStreams(t, { FEED_STREAMS_PER_CLIENT_MAX: '1' });
  const [lazy, other] = [await reader(), await reader()];
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.teardown(() => socket.destroy());
  const fields = [`Authorization: Bearer ${lazy.token}`, 'Accept: text/event-stream'];
  socket.write(requestHead('GET', '/api/v1/revocations', ...fields));
  await once(socket, 'readable'); // the test never reads the stream
  const stream = await consume(t, url, other.token);
  await stream.heartbeat();
  t.equal((await consume(t, url, lazy.token)).status, 429, 'it keeps its slot');
  const heap = process.memoryUsage().arrayBuffers;
  const last = sessions(1);
  const reading = stream.until(({ data }) => data.sid === (last[0] as { sid: string }).sid);
  for (let round = 0; round < 150; round += 1) {
    await app.parts.publish(sessions(1000));
    await nextTurn();
  }
  await app.parts.publish(last);
  await reading;
  t.pass('the consumer that reads has read all of it');
  await until(async () => (await consume(t, url, lazy.token)).status === 200);
  t.ok(process.memoryUsage().arrayBuffers - heap < 64 * 1024 * 1024, 'the service kept little memory for it');
});

t.test('a service that stops ends its streams properly', async (t) => {
  const { app, url, reader, open } = await openStreams(t);
  const streams = [await open(), await open()];
  const { organization } = await newAccount((await openStreams(t)).api);
  t.ok(organization);
  app.parts.feed.close();
  for (const { stream } of streams) await stream.end();
  t.equal((await consume(t, url, (await reader()).token)).status, 503, 'no more streams are opened');
  await app.close();
  await t.test('when the process of the service gets a signal', async (t) => {
    const database = await createDatabase(t);
    const service = await spawnService(t, { DATABASE_URL: database.ownerUrl });
    const issuer = await openService(t, database);
    const settings = { organizationId: null, permissions: ['revocations:read'] };
    const { token } = await seedClientWithToken(issuer.app, database, settings);
    const stream = await consume(t, service.url, token);
    await stream.heartbeat();
    const [code] = await Promise.all([service.end('SIGTERM'), stream.end()]);
    t.equal(code, 0);
  });
});

t.test('a large snapshot is sent in parts, and only the last part has a cursor', async (t) => {
  const { app, api, url, reader } = await openStreams(t);
  const client = await reader();
  const all = sessions(4_500);
  await app.parts.publish(all);
  const stream = await consume(t, url, client.token);
  await stream.heartbeat();
  const snapshots = stream.frames.filter(({ event }) => event === 'snapshot');
  t.strictSame(
    snapshots.map(({ data, id }) => [data.more ?? false, data.cursor !== undefined, id !== null]),
    [...Array(4).fill([true, false, false]), [false, true, true]],
  );
  const sids = (events: readonly Revocation[]) => new Set(events.flatMap((e) => (e.kind === 'session' ? [e.sid] : [])));
  t.strictSame(sids(eventsOf(snapshots)), sids(all));
  const { data } = (await api.get('/revocations', { token: client.token })).body;
  t.strictSame(sids(data.events), sids(all), 'the document has all events');
});

t.test('an event of a transaction that commits late is sent, although later events were sent before', async (t) => {
  const { app, database, url, reader, open } = await openStreams(t);
  const organization = await seedOrganization(database);
  const late = await openTransaction(t, database);
  const lateSid = randomUUID();
  await late.query(
    `INSERT INTO revocations (id, kind, subject, caused_in) VALUES (gen_random_uuid(), 'session', $1, $2)`,
    [lateSid, organization.id],
  );
  const clients = [await open(), await open(organization.id)];
  const earlySid = randomUUID();
  await database.query(
    `INSERT INTO revocations (id, kind, subject, caused_in) VALUES (gen_random_uuid(), 'session', $1, $2)`,
    [earlySid, organization.id],
  );
  await app.parts.revocations.synchronize();
  for (const { stream } of clients) {
    await stream.until(({ data }) => data.sid === earlySid);
    await stream.heartbeat();
  }
  const [left] = [await open(organization.id)];
  left.stream.leave();
  await late.query('COMMIT');
  await app.parts.revocations.synchronize();
  for (const { stream } of clients) await stream.until(({ data }) => data.sid === lateSid);
  const again = await consume(t, url, left.token, { lastEventId: left.stream.lastId() });
  t.ok(has(await again.heartbeat(), { sid: lateSid }), 'a consumer that was not connected gets it too');
  t.ok(await reader());
});

t.test('a consumer that moves between two replicas, at any moment, misses no event', async (t) => {
  const database = await createDatabase(t);
  const services = [await openService(t, database), await openService(t, database)];
  for (const { app } of services) await app.parts.revocations.synchronize();
  const organization = await seedOrganization(database);
  const people: string[] = [];
  for (let made = 0; made < 40; made += 1) {
    const userId = await seedMember(database, organization.id);
    people.push(userId);
  }
  const ROUNDS = 4;
  const happening = (async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [index, userId] of people.entries()) {
        const { app } = services[(index + round) % 2] ?? (t.fail() as never);
        app.parts.publish(await app.parts.db.system((tx) => raiseEpochs(tx, [userId])));
      }
    }
  })();
  const follow = async (organizationId: string | null) => {
    const { app } = services[0] ?? (t.fail() as never);
    const { token } = await seedClientWithToken(app, database, { organizationId, permissions: ['revocations:read'] });
    const epochs = new Map<string, number>();
    let lastEventId = '';
    for (let visit = 0; [...epochs.values()].filter((epoch) => epoch === ROUNDS).length < people.length; visit += 1) {
      const { url } = services[visit % 2] ?? (t.fail() as never);
      const stream = await consume(t, url, token, { lastEventId });
      let news = 0;
      // Every sixth visit reads until a heartbeat. An open transaction can delay the cursor. Then a visit that reads
      // only a few events starts again at the same cursor, and makes no progress.
      const enough = visit % 6 === 5 ? Number.POSITIVE_INFINITY : 1 + (visit % 6);
      const read = await stream.until(({ event }) => {
        news += event === 'revocation' ? 1 : 0;
        return news >= enough || event === 'heartbeat';
      });
      for (const event of eventsOf(read)) {
        if (event.kind === 'user') epochs.set(event.sub, Math.max(event.epoch, epochs.get(event.sub) ?? 0));
      }
      lastEventId = stream.lastId();
      stream.leave();
    }
    return epochs;
  };
  const [all, own] = await Promise.all([follow(null), follow(organization.id), happening]);
  t.strictSame([...own.keys()].sort(), [...people].sort());
  t.equal(all?.size, people.length);
});
