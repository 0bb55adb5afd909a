// Faults of the network to Redis. Also tests the conditions under which the stream proves that no event is missing,
// while PostgreSQL cannot be read.
import t, { type Test } from 'tap';
import { createDatabase } from '../../support/database.ts';
import { startRedis } from '../../support/servers/redis.ts';
import { openTcpProxy } from '../../support/servers/tcp-proxy.ts';
import { openService, type Service } from '../../support/service.ts';
import { soon, until } from '../../support/until.ts';
import {
  arrives,
  type BlockableReads,
  blockableReads,
  degraded,
  heals,
  refuses,
  signedOut,
  streaming,
  verdict,
  withoutGap,
} from './replicas.ts';

/** Two replicas. The second one reaches Redis through a proxy and reads no revocation from PostgreSQL. */
async function openBehindProxy(t: Test) {
  const [database, redis] = [await createDatabase(t), await startRedis(t)];
  const proxy = await openTcpProxy(t, redis.port);
  const a = await openService(t, database, { REDIS_URL: redis.url });
  const reads = await blockableReads(database);
  await reads.block();
  const b = await openService(t, reads.database, { REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  await streaming(a, b);
  return { a, b, reads, redis, proxy };
}

for (const fault of ['cut', 'hold'] as const) {
  t.test(`a network that is ${fault === 'cut' ? 'cut' : 'silent'} is noticed, and the service recovers`, async (t) => {
    const { a, b, reads, proxy } = await openBehindProxy(t);
    proxy[fault]();
    await degraded(b);
    t.equal((await b.api.get('/readyz')).status, 200);
    const missed = await signedOut(a);
    t.equal(await verdict(b, missed), 200, 'neither Redis nor PostgreSQL has delivered the revocation yet');
    await reads.unblock();
    await refuses(b, missed);
    await reads.block();
    proxy.pass();
    t.ok(await heals(a, b));
  });
}

/** Whether the stream proves to the service that no event is missing, while PostgreSQL cannot prove it. */
function countsStream({ app }: Service): boolean {
  const { readSecondsAgo, freshSecondsAgo } = app.parts.revocations;
  return readSecondsAgo() - freshSecondsAgo() > 1.5;
}

/** Resolves once the stream proves to a service without PostgreSQL that no event is missing. */
async function untilCounted(service: Service, reads: BlockableReads): Promise<void> {
  // A writer that has just connected adds an entry that makes every reader read PostgreSQL once more.
  await until(async () => {
    await reads.unblock();
    await until(() => service.app.parts.revocations.readSecondsAgo() < 1);
    await reads.block();
    return soon(() => countsStream(service), 5_000);
  });
}

t.test('the stream proves that no event is missing while it has no gap', async (t) => {
  const { a, b, reads, proxy } = await openBehindProxy(t);
  const { revocations } = b.app.parts;
  t.equal(revocations.freshSecondsAgo(), Number.POSITIVE_INFINITY, 'not before PostgreSQL was read');
  const isProven = await withoutGap([a, b], async (hasGap) => {
    await untilCounted(b, reads);
    const gone = await signedOut(a);
    await arrives(async () => (await verdict(b, gone)) === 'session_revoked', hasGap);
    return countsStream(b);
  });
  t.ok(isProven, 'the stream proves itself complete while PostgreSQL cannot be reached');

  proxy.cut();
  await degraded(b);
  const stale = revocations.freshSecondsAgo();
  proxy.pass();
  await streaming(b);
  await until(() => !countsStream(b));
  t.ok(revocations.freshSecondsAgo() >= stale, 'what happened in between is unknown');
  await reads.unblock();
  await until(() => revocations.freshSecondsAgo() < 1);
});

t.test('a writer that could not add an entry reports this when it can, and the stream proves nothing', async (t) => {
  const [database, redis] = [await createDatabase(t), await startRedis(t)];
  const proxy = await openTcpProxy(t, redis.port);
  const a = await openService(t, database, { REDIS_URL: `redis://127.0.0.1:${proxy.port}` });
  const reads = await blockableReads(database);
  const b = await openService(t, reads.database, { REDIS_URL: redis.url });
  await streaming(a, b);
  await untilCounted(b, reads);
  proxy.cut();
  await degraded(a);
  const missed = await signedOut(a);
  proxy.pass();
  await until(() => !countsStream(b));
  t.equal(await verdict(b, missed), 200);
  await reads.unblock();
  await refuses(b, missed);
});
