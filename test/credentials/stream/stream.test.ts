// A replica refuses the tokens that another replica has revoked. It reads the revocations from the stream while Redis
// works, and always from PostgreSQL as well.
import { randomUUID } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { entryWith, readEntry } from '../../../src/credentials/stream/entry.ts';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { startRedis } from '../../support/servers/redis.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
import { formerReadEntry } from '../feed/previous-version.ts';
import {
  arrives,
  degraded,
  heals,
  learns,
  logOut,
  openPair,
  refuses,
  signedOut,
  streaming,
  verdict,
  withoutGap,
} from './replicas.ts';

const KEY = 'tenantry:revocations';

t.test('a replica that reads only the stream refuses the tokens that another replica has revoked', async (t) => {
  const { a, b } = await openPair(t, await createDatabase(t), (await startRedis(t)).url);
  const other = await newAccount(a.api);
  await learns([a, b], async () => {
    const gone = await newAccount(a.api);
    t.equal(await verdict(b, gone), 200);
    t.equal(await logOut(a, gone), 204);
    return gone;
  });
  t.equal(await verdict(b, other), 200, 'no other token is refused');
  t.equal(await verdict(a, other), 200);
  let epoch = 0;
  const raise = async () => {
    epoch += 1;
    a.app.parts.publish([{ kind: 'user', sub: other.userId, epoch }]);
    return other;
  };
  await learns([a, b], raise, 'token_stale');
});

t.test(
  'a replica that reads only the stream refuses the tokens of a changed membership for its organization alone',
  async (t) => {
    const { a, b } = await openPair(t, await createDatabase(t), (await startRedis(t)).url);
    const [here, there] = [await newAccount(a.api), await newAccount(a.api)];
    let epoch = 0;
    const raise = async () => {
      epoch += 1;
      a.app.parts.publish([
        { kind: 'membership', sub: here.userId, org: here.organization.id, epoch },
        { kind: 'membership', sub: there.userId, org: here.organization.id, epoch },
      ]);
      return here;
    };
    await learns([a, b], raise, 'token_stale');
    for (const replica of [a, b]) t.equal(await verdict(replica, there), 200, 'a token for another organization');
    t.equal(b.lines.filter((line) => line.includes('cannot read')).length, 0, 'no replica complains');
  },
);

t.test(
  'the previous version reads an entry about a membership without PostgreSQL, and refuses more tokens',
  async (t) => {
    const [sub, org] = [randomUUID(), randomUUID()];
    const fields = entryWith([{ kind: 'membership', sub, org, epoch: 3 }]);
    t.same(formerReadEntry(fields), { events: [{ kind: 'user', sub, epoch: 3 }], asksForMore: false });
    const changed = { kind: 'membership', sub, org, epoch: 3 };
    t.same(readEntry(fields), { events: [changed], asksForMore: false, isMalformed: false });
    const ofBefore = ['events', JSON.stringify([{ kind: 'user', sub, epoch: 3 }])];
    t.same(readEntry(ofBefore).events, [{ kind: 'user', sub, epoch: 3 }], 'its entries are about the whole person');
  },
);

t.test('a replica that reads only the stream refuses the tokens that name a changed role', async (t) => {
  const { a, b } = await openPair(t, await createDatabase(t), (await startRedis(t)).url);
  const [here, there] = [await newAccount(a.api), await newAccount(a.api)];
  const org = here.organization.id;
  let epoch = 0;
  const raise = async () => {
    epoch += 1;
    a.app.parts.publish([
      { kind: 'role', org, role: 'owner', epoch },
      { kind: 'role', org: there.organization.id, role: 'viewer', epoch },
    ]);
    return here;
  };
  await learns([a, b], raise, 'token_stale');
  for (const replica of [a, b]) t.equal(await verdict(replica, there), 200, 'a token with another role');
});

t.test('the previous version reads PostgreSQL for an entry about a role', async (t) => {
  const changed = { kind: 'role', org: randomUUID(), role: 'sales', epoch: 3 } as const;
  const session = { kind: 'session', sid: randomUUID() } as const;
  const fields = entryWith([changed, session]);
  t.same(formerReadEntry(fields), { events: [session], asksForMore: true });
  t.same(readEntry(fields), { events: [changed, session], asksForMore: false, isMalformed: false });
});

t.test('many sessions that end at the same moment are all reported', async (t) => {
  const { a, b } = await openPair(t, await createDatabase(t), (await startRedis(t)).url);
  await withoutGap([a, b], async (hasGap) => {
    const accounts: Account[] = [];
    for (let made = 0; made < 8; made += 1) accounts.push(await newAccount(a.api));
    await atOnce(accounts.length, (index) => logOut(a, accounts[index] as Account));
    await arrives(async () => {
      const verdicts = await Promise.all(accounts.map((account) => verdict(b, account)));
      return verdicts.every((said) => said === 'session_revoked');
    }, hasGap);
  });
  const { revocations } = b.app.parts;
  const token = { id: randomUUID(), epoch: 0, organizationId: null, issuedAt: Date.now() / 1000 };
  await withoutGap([a, b], async (hasGap) => {
    const sids = Array.from({ length: 950 }, () => randomUUID());
    a.app.parts.publish(sids.map((sid) => ({ kind: 'session', sid })));
    const isKnown = (sessionId: string) => revocations.judge({ ...token, sessionId }) === 'session_revoked';
    await arrives(() => sids.every(isKnown), hasGap);
  });
  t.pass('in entries of at most a hundred each');
});

t.test('the stream can suspend an organization, and only PostgreSQL can activate it again', async (t) => {
  const { a, b, reads } = await openPair(t, await createDatabase(t), (await startRedis(t)).url);
  const { accessToken: token } = await newAdministrator(a);
  const change = ({ organization }: Account, which: string) =>
    a.api.post(`/admin/organizations/${organization.id}/${which}`, undefined, { token });
  const member = await withoutGap([a, b], async (hasGap) => {
    const account = await newAccount(a.api);
    t.equal((await change(account, 'suspend')).status, 200);
    await arrives(async () => (await verdict(b, account)) === 'organization_suspended', hasGap);
    t.equal((await change(account, 'activate')).status, 200);
    t.equal(await verdict(a, account), 200);
    // Without a gap the activation has arrived before the entry that was sent after it. The service ignored the
    // activation.
    const later = await signedOut(a);
    await arrives(async () => (await verdict(b, later)) === 'session_revoked', hasGap);
    return account;
  });
  t.equal(await verdict(b, member), 'organization_suspended');
  await reads.unblock();
  await until(async () => (await verdict(b, member)) === 200);
  t.equal((await change(member, 'suspend')).status, 200);
  await refuses(b, member, 'organization_suspended');
});

t.test('the deletion of an organization is sent through the stream', async (t) => {
  const { a, b } = await openPair(t, await createDatabase(t), (await startRedis(t)).url);
  const endOne = async () => {
    const owner = await newAccount(a.api);
    const { status } = await a.api.delete('/organizations/current', { token: owner.accessToken });
    t.equal(status, 204);
    return owner;
  };
  t.ok(await learns([a, b], endOne, 'organization_suspended'));
});

t.test('without Redis replicas stay ready, report this, and read revocations from PostgreSQL', async (t) => {
  const [database, redis] = [await createDatabase(t), await startRedis(t)];
  const a = await openService(t, database, { REDIS_URL: redis.url });
  const b = await openService(t, database, { REDIS_URL: redis.url });
  const ready = async () => {
    const { status, body } = await b.api.get('/readyz');
    return { status, ...body };
  };
  const checks = { database: 'ok', keys: 'ok', clock: 'ok' };
  await streaming(a, b);
  t.strictSame(await ready(), { status: 'ready', checks: { ...checks, revocation_stream: 'ok' } });

  await redis.stop();
  await degraded(a, b);
  const { status } = await b.api.get('/readyz');
  t.equal(status, 200, 'requests are answered');
  t.strictSame(await ready(), { status: 'ready', checks: { ...checks, revocation_stream: 'degraded' } });
  const gone = await newAccount(a.api);
  t.equal(await logOut(a, gone), 204);
  await refuses(b, gone);

  await redis.restart();
  await streaming(a, b);
  t.strictSame(await ready(), { status: 'ready', checks: { ...checks, revocation_stream: 'ok' } });
});

t.test('a service without REDIS_URL does not mention a stream', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  t.strictSame((await api.get('/readyz')).body, {
    status: 'ready',
    checks: { database: 'ok', keys: 'ok', clock: 'ok' },
  });
});

t.test('a service that starts before its Redis works, and follows the stream once Redis runs', async (t) => {
  const [database, redis] = [await createDatabase(t), await startRedis(t)];
  await redis.stop();
  const a = await openService(t, database, { REDIS_URL: redis.url });
  t.equal((await a.api.get('/readyz')).status, 200);
  const early = await newAccount(a.api);
  t.equal(await logOut(a, early), 204);
  t.equal(await verdict(a, early), 'session_revoked');
  await redis.restart();
  const { b } = await openPair(t, database, redis.url);
  await streaming(a);
  t.ok(await heals(a, b));
});

t.test('replicas read PostgreSQL at once when the events do not fit into an entry of the stream', async (t) => {
  const [database, redis] = [await createDatabase(t), await startRedis(t)];
  const a = await openService(t, database, { REDIS_URL: redis.url });
  const b = await openService(t, database, { REDIS_URL: redis.url });
  await streaming(a, b);
  const rows = await database.query<{ subject: string }>(
    `INSERT INTO revocations (id, kind, subject, epoch)
     SELECT gen_random_uuid(), 'user', gen_random_uuid(), 7 FROM generate_series(1, 30000) RETURNING subject`,
  );
  const before = Number(await redis.ask('XLEN', KEY));
  let turns = 0;
  let published = false;
  const counting = (async () => {
    for (; !published; turns += 1) await nextTurn();
  })();
  await a.app.parts.revocations.publish(rows.map(({ subject }) => ({ kind: 'user', sub: subject, epoch: 7 })));
  published = true;
  await counting;
  t.ok(turns >= 30, `other work ran ${turns} times in between`);
  const knows = ({ app }: typeof a) => rows.every(({ subject }) => app.parts.revocations.epochOf(subject) === 7);
  t.ok(knows(a), 'this process knows all of them when the promise resolves');
  await until(() => knows(b));
  const added = Number(await redis.ask('XLEN', KEY)) - before;
  // A new connection after a broken one also starts with an entry that makes every replica read PostgreSQL.
  t.ok(added >= 1 && added <= 3, `one entry replaces all events, not ${added} entries`);
});

t.test('entries are removed only by age, measured by the clock of Redis', async (t) => {
  const redis = await startRedis(t);
  const { a, b } = await openPair(t, await createDatabase(t), redis.url);
  const [now = 0] = (await redis.ask('TIME')) as [string];
  // The new entries have instants in the past. A stream accepts ids only in ascending order, so the test creates the
  // stream again.
  await redis.ask('DEL', KEY);
  for (let age = 1200; age > 1000; age -= 1) {
    await redis.ask('XADD', KEY, `${(Number(now) - age) * 1000}-0`, 'events', '[]');
  }
  await redis.ask('XADD', KEY, `${(Number(now) - 850) * 1000}-0`, 'events', '[]');
  for (let turn = 0; turn < 2; turn += 1) t.ok(await heals(a, b));
  const ids = ((await redis.ask('XRANGE', KEY, '-', '+')) as [string][]).map(([id]) => Number.parseInt(id, 10));
  const ages = ids.map((id) => Number(now) - id / 1000);
  t.ok(ages.filter((age) => age > 1000).length < 200, 'old entries are removed, in hundreds');
  t.ok(
    ages.some((age) => age > 800 && age < 900),
    'entries that can still affect a token are not',
  );
});
