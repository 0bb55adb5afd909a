// Faults of Redis. The service still answers, follows the stream again afterwards, and misses an event only for a short
// time.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { type Redis, startRedis } from '../../support/servers/redis.ts';
import { openService, type Service } from '../../support/service.ts';
import { degraded, heals, learns, openPair, refuses, signedOut, streaming, verdict } from './replicas.ts';

const KEY = 'tenantry:revocations';

async function knowsAll(service: Service, accounts: readonly Account[]): Promise<void> {
  for (const account of accounts) await refuses(service, account);
}

const faults: Record<string, (redis: Redis) => Promise<void>> = {
  'is flushed': (redis) => redis.flush(),
  'restarts empty': (redis) => redis.restart(),
  'is killed and started again': async (redis) => {
    await redis.kill();
    await redis.restart();
  },
  'loses the stream alone': async (redis) => void (await redis.ask('DEL', KEY)),
  'gets a shorter stream with lower ids': async (redis) => {
    await redis.ask('XADD', KEY, '9999999999999-0', 'events', '[]');
    await redis.ask('DEL', KEY);
    await redis.ask('XADD', KEY, '1-1', 'events', '[]');
  },
  'loses all entries of the stream': async (redis) => void (await redis.ask('XTRIM', KEY, 'MAXLEN', 0)),
};

for (const [fault, happen] of Object.entries(faults)) {
  t.test(`when Redis ${fault}, the stream is followed again and no event is missed`, async (t) => {
    const redis = await startRedis(t);
    const { a, b, reads } = await openPair(t, await createDatabase(t), redis.url);
    const before = await learns([a, b], () => signedOut(a));
    await happen(redis);
    const tried = await heals(a, b);
    t.equal(await verdict(b, before), 'session_revoked', 'what was known is still known');
    await reads.unblock();
    await knowsAll(b, tried);
    t.equal(await verdict(b, await newAccount(a.api)), 200);
  });
}

t.test('with a frozen Redis requests are answered, and replicas read revocations from PostgreSQL', async (t) => {
  const [database, redis] = [await createDatabase(t), await startRedis(t)];
  const a = await openService(t, database, { REDIS_URL: redis.url });
  const b = await openService(t, database, { REDIS_URL: redis.url });
  await streaming(a, b);
  redis.freeze();
  const first = await signedOut(a); // no connection has noticed the fault yet
  t.equal(await verdict(a, first), 'session_revoked');
  await refuses(b, first);
  await degraded(a, b);
  await refuses(b, await signedOut(a));
  t.equal((await a.api.get('/readyz')).body.checks.revocation_stream, 'degraded');
  redis.thaw();
  await streaming(a, b);
});

t.test('a service with a frozen Redis can still stop normally', async (t) => {
  const redis = await startRedis(t);
  const a = await openService(t, await createDatabase(t), { REDIS_URL: redis.url });
  await streaming(a);
  redis.freeze();
  await signedOut(a);
  await a.app.close();
  t.pass('while it is frozen');
});

t.test('an event that arrives twice, and from the stream and from PostgreSQL, is applied once', async (t) => {
  const [database, redis] = [await createDatabase(t), await startRedis(t)];
  const a = await openService(t, database, { REDIS_URL: redis.url });
  const b = await openService(t, database, { REDIS_URL: redis.url });
  await streaming(a, b);
  const heard: string[] = [];
  b.app.parts.revocations.onRevocation((event) => heard.push(JSON.stringify(event)));
  const gone = await signedOut(a);
  await refuses(b, gone);
  const event = JSON.stringify({ kind: 'session', sid: gone.sessionId });
  for (let time = 0; time < 3; time += 1) await redis.ask('XADD', KEY, '*', 'events', `[${event},${event}]`);
  await refuses(b, await signedOut(a));
  await b.app.parts.revocations.synchronize();
  t.equal(heard.filter((one) => one === event).length, 1);
});
