// The stream in a Redis Cluster. REDIS_URL may name any node, and the service finds the node that has the key.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { startRedisCluster } from '../../support/servers/redis.ts';
import { openService } from '../../support/service.ts';
import { blockableReads, degraded, heals, openPair, refuses, signedOut, streaming } from './replicas.ts';

t.test('the service finds the stream from every node of a cluster, alone or in a list of nodes', async (t) => {
  const [database, cluster] = [await createDatabase(t), await startRedisCluster(t)];
  const [first = '', second = '', third = ''] = cluster.urls;
  const { a, b } = await openPair(t, database, first);
  const reads = await blockableReads(database);
  const others = [];
  for (const url of [second, third, `redis://127.0.0.1:1,${third},${first}`]) {
    others.push(await openService(t, reads.database, { REDIS_URL: url }));
  }
  for (const { app } of others) await app.parts.revocations.synchronize();
  await reads.block();
  await streaming(...others);
  for (const from of [a, ...others]) {
    for (const to of [a, b, ...others]) t.ok(await heals(from, to));
  }
  const lengths = await Promise.all(cluster.nodes.map((node) => node.ask('DBSIZE')));
  t.same([...lengths].sort(), [0, 0, 1], 'one node has all of it');

  const holder = cluster.nodes[lengths.indexOf(1)];
  await holder?.kill();
  await degraded(a, b);
  const meanwhile = await signedOut(a);
  await refuses(a, meanwhile);
  await holder?.restart();
  await streaming(a, b, ...others);
  t.ok(await heals(a, b));
});
