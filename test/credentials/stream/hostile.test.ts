// An attacker who can write to Redis can cause refusals of tokens, and nothing else. If the service cannot use a Redis,
// it works without Redis.
import t, { type Test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { partsOf } from '../../support/forge.ts';
import { type Redis, startRedis } from '../../support/servers/redis.ts';
import { openService, spawnService } from '../../support/service.ts';
import { until } from '../../support/until.ts';
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
const TROUBLE = 'Redis cannot be used';
const PASSWORD = 'p,a@s:s/w%o?rd';

t.test('entries that no Tenantry process writes are ignored', async (t) => {
  const redis = await startRedis(t);
  const { a, b } = await openPair(t, await createDatabase(t), redis.url);
  const account = await newAccount(a.api);
  const { userId: sub, sessionId: sid, organization } = account;
  const org = organization.id;
  const events: unknown[] = [
    null,
    7,
    'session',
    {},
    [],
    { kind: 'session' },
    { kind: 'session', sid: sid.toUpperCase() },
    { kind: 'session', sid: { toString: sid } },
    { kind: 'sessions', sid },
    { kind: 'user', sub, epoch: -1 },
    { kind: 'user', sub, epoch: 1.5 },
    { kind: 'user', sub, epoch: '1' },
    { kind: 'user', sub, epoch: 2 ** 31 },
    { kind: 'user', sub, epoch: Number.MAX_SAFE_INTEGER },
    { kind: 'user', sub, org: 'x', epoch: 1 },
    { kind: 'user', sub, org: null, epoch: 1 },
    { kind: 'membership', sub, epoch: 1 },
    { kind: 'membership', sub, org, epoch: -1 },
    { kind: 'membership', sub, org, epoch: 2 ** 31 },
    { kind: 'membership', sub, org: [org], epoch: 1 },
    { kind: 'organization', org, state: 'gone', at: 1 },
    { kind: 'organization', org, state: 'suspended', at: null },
    { kind: 'organization', org, state: 'suspended', at: 9e15 },
    { kind: 'everything', not_before: 4_000_000_000 },
    { kind: 'everything', not_before: 0 },
    { kind: 'key', kid: partsOf(account.accessToken).header.kid },
  ];
  const values = [
    ...events.flatMap((event) => [JSON.stringify(event), JSON.stringify([event])]),
    '',
    '[',
    'nonsense',
    '[[[[[[]]]]]]',
    `${'['.repeat(50_000)}`,
    `[${'"x",'.repeat(300_000)}1]`,
    JSON.stringify(Array.from({ length: 101 }, () => ({ kind: 'session', sid }))),
    `{"__proto__":[{"kind":"session","sid":"${sid}"}]}`,
  ];
  const session = JSON.stringify([{ kind: 'session', sid }]);
  await withoutGap([a, b], async (hasGap) => {
    for (const value of values) await redis.ask('XADD', KEY, '*', 'events', value);
    for (const name of ['', 'event', 'EVENTS', '__proto__']) await redis.ask('XADD', KEY, '*', name, session);
    await redis.ask('XADD', KEY, '*', 'x', '1', 'events', session);
    const later = await signedOut(a); // once this session has arrived, every earlier entry has been read
    await arrives(async () => (await verdict(b, later)) === 'session_revoked', hasGap);
  });
  for (const service of [a, b]) t.equal(await verdict(service, account), 200, 'all of it was ignored');
  const good = JSON.stringify([{ kind: 'nonsense' }, { kind: 'session', sid }]);
  const write = async () => {
    await redis.ask('XADD', KEY, '*', 'events', good);
    return account;
  };
  await learns([a, b], write);
  t.equal(await verdict(b, account), 'session_revoked', 'valid parts next to invalid ones are used');
});

t.test('no entry of the stream activates a suspended organization', async (t) => {
  const redis = await startRedis(t);
  const { a, b, reads } = await openPair(t, await createDatabase(t), redis.url);
  const { accessToken: token } = await newAdministrator(a);
  const member = await newAccount(a.api);
  const org = member.organization.id;
  await a.api.post(`/admin/organizations/${org}/suspend`, undefined, { token });
  await reads.unblock();
  await refuses(b, member, 'organization_suspended');
  await reads.block();
  await withoutGap([a, b], async (hasGap) => {
    for (const at of [Date.now() + 1000, 9e15]) {
      const event = { kind: 'organization', org, state: 'active', at };
      await redis.ask('XADD', KEY, '*', 'events', JSON.stringify([event]));
    }
    const later = await signedOut(a); // once this session has arrived, both entries have been read
    await arrives(async () => (await verdict(b, later)) === 'session_revoked', hasGap);
  });
  for (const service of [a, b]) t.equal(await verdict(service, member), 'organization_suspended');
});

const spoiled: Record<string, (redis: Redis) => Promise<unknown>> = {
  'is not a stream': (redis) => redis.ask('SET', KEY, 'x'),
  'takes no more entries': (redis) => redis.ask('XADD', KEY, `${2n ** 64n - 1n}-${2n ** 64n - 1n}`, 'events', '[]'),
};

for (const [state, spoil] of Object.entries(spoiled)) {
  t.test(`when the key ${state}, the service works without the stream until the key is deleted`, async (t) => {
    const redis = await startRedis(t);
    const { a, b } = await openPair(t, await createDatabase(t), redis.url);
    await redis.ask('DEL', KEY);
    await spoil(redis);
    const gone = await newAccount(a.api);
    t.equal(await logOut(a, gone), 204);
    t.equal(await verdict(a, gone), 'session_revoked');
    await degraded(a);
    await redis.ask('DEL', KEY);
    await streaming(a, b);
    t.ok(await heals(a, b));
  });
}

/** Starts a Redis with a user who has the rights that docs/revocation.md names, and users who lack some of them. */
async function startGuarded(t: Test): Promise<{ redis: Redis; as: (user: string, password?: string) => string }> {
  const redis = await startRedis(t);
  const rights = ['on', `>${PASSWORD}`, `~${KEY}`, '-@all', '+xread', '+xinfo|stream', '+xlen'];
  await redis.ask('ACL', 'SETUSER', 'tenantry', ...rights, '+xadd');
  await redis.ask('ACL', 'SETUSER', 'reader', ...rights);
  await redis.ask('ACL', 'SETUSER', 'elsewhere', 'on', `>${PASSWORD}`, '~other:*', '+@all');
  const as = (user: string, password = PASSWORD) =>
    `redis://${user}:${encodeURIComponent(password)}@127.0.0.1:${redis.port}`;
  return { redis, as };
}

t.test('a Redis user with only the documented rights is sufficient', async (t) => {
  const { as } = await startGuarded(t);
  const { a, b } = await openPair(t, await createDatabase(t), as('tenantry'));
  for (const account of [await newAccount(a.api), await newAccount(a.api)]) {
    t.equal(await logOut(a, account), 204);
    t.ok(await heals(a, b));
  }
});

t.test('a Redis that refuses the service is not used, and the log names it without its password', async (t) => {
  const { redis, as } = await startGuarded(t);
  const database = await createDatabase(t);
  const keysOf = { DATABASE_APP_URL: database.appUrl, DATABASE_SYSTEM_URL: database.systemUrl };
  const wrong = 'wr0ng-passw0rd';
  const refusals = { [as('tenantry', wrong)]: 'WRONGPASS', [as('reader')]: 'NOPERM', [as('elsewhere')]: 'NOPERM' };
  refusals[`${redis.url}/99`] = 'DB index';
  for (const [url, reason] of Object.entries(refusals)) {
    const service = await spawnService(t, { ...keysOf, REDIS_URL: url });
    const account = await newAccount(service.api);
    t.equal((await service.api.post('/auth/logout', undefined, { token: account.accessToken })).status, 204);
    const ready = await service.api.get('/readyz');
    t.equal(ready.status, 200);
    t.equal(ready.body.checks.revocation_stream, 'degraded');
    await until(() => service.lines.some((line) => line.includes(TROUBLE)));
    t.equal(await service.end('SIGTERM'), 0);
    const lines = service.lines.join('\n');
    const said = service.lines.filter((line) => line.includes(TROUBLE));
    for (const direction of ['reading', 'writing']) {
      const reasons = said.map((line) => JSON.parse(line)).filter((line) => line.direction === direction);
      const isNews = (line: { reason: string }, at: number) => line.reason !== reasons[at - 1]?.reason;
      t.ok(reasons.every(isNews), 'the log never repeats the same state twice in a row');
    }
    t.ok(
      said.some((line) => line.includes(reason)),
      reason,
    );
    // On a busy machine an answer may arrive too late. The log then has that reason.
    for (const line of said) t.match(line, new RegExp(`${reason}|timed out|timeout|closed`, 'i'));
    for (const secret of [wrong, PASSWORD, encodeURIComponent(PASSWORD)]) t.notOk(lines.includes(secret));
    t.notMatch(lines, /unhandled|"level":[56]0/i);
  }
});

t.test('the service works without Redis when Redis has no memory for another entry', async (t) => {
  const redis = await startRedis(t);
  const a = await openService(t, await createDatabase(t), { REDIS_URL: redis.url });
  await streaming(a);
  await redis.ask('CONFIG', 'SET', 'maxmemory', 1);
  const gone = await newAccount(a.api);
  t.equal(await logOut(a, gone), 204);
  await degraded(a);
  t.equal(await verdict(a, gone), 'session_revoked');
  await redis.ask('CONFIG', 'SET', 'maxmemory', 0);
  await streaming(a);
});
