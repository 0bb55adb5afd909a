// Tests the operations of the real Redis that other tests use.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis as Client, Cluster } from 'ioredis';
import t from 'tap';
import { until } from '../until.ts';
import { freePort, onFreePort } from './process.ts';
import { startRedis, startRedisCluster } from './redis.ts';

t.test('a Redis has at least version 7, deletes all data at a flush, and writes nothing to disk', async (t) => {
  const redis = await startRedis(t, { args: ['--maxmemory', '64mb'] });
  const version = /redis_version:(\d+)/.exec(String(await redis.ask('INFO', 'server')))?.[1];
  t.ok(Number(version) >= 7, `version ${version}`);
  t.equal(await redis.ask('SET', 'a', 1), 'OK');
  t.equal(await redis.ask('GET', 'a'), '1');
  t.equal(await redis.ask('DBSIZE'), 1);
  t.same(await redis.ask('CONFIG', 'GET', 'maxmemory'), ['maxmemory', String(64 * 1024 * 1024)]);
  t.same(await redis.ask('CONFIG', 'GET', 'save'), ['save', '']);
  t.same(await redis.ask('CONFIG', 'GET', 'appendonly'), ['appendonly', 'no']);
  await t.rejects(redis.ask('NOSUCH'), /unknown command/, 'a refused command raises an error');

  const client = new Client(redis.url);
  t.teardown(() => client.disconnect());
  await once(client, 'ready');
  await redis.flush();
  t.equal(await client.get('a'), null, 'over a connection that stayed open');
});

t.test('a Redis that was stopped or killed can be started again, empty and on the same port', async (t) => {
  const redis = await startRedis(t);
  const { port } = redis;
  for (const end of ['stop', 'kill'] as const) {
    await redis.ask('SET', 'a', 1);
    const client = new Client(port, { retryStrategy: () => null });
    await once(client, 'ready');
    const hungUp = once(client, 'close');
    await redis[end]();
    await hungUp;
    t.equal(redis.isRunning, false, end);
    await t.rejects(redis.ask('PING'), 'nobody listens');
    await redis.restart();
    t.equal(redis.port, port);
    t.equal(await redis.ask('GET', 'a'), null);
  }
  await redis.ask('SET', 'a', 1);
  await redis.restart();
  t.equal(await redis.ask('DBSIZE'), 0, 'restarted while it ran');
  await redis.stop();
  await redis.stop();
  t.equal(redis.isRunning, false, 'stopped twice');
});

t.test('a frozen Redis accepts connections, answers when it is thawed, and can be ended while frozen', async (t) => {
  const redis = await startRedis(t);
  const client = new Client(redis.url);
  t.teardown(() => client.disconnect());
  await once(client, 'ready');
  redis.freeze();
  let answered = false;
  const answer = client.set('a', 1).finally(() => {
    answered = true;
  });
  const other = new Client(redis.url, { enableReadyCheck: false });
  t.teardown(() => other.disconnect());
  await once(other, 'connect');
  t.equal(answered, false);
  redis.thaw();
  t.equal(await answer, 'OK');
  redis.freeze();
  await redis.stop();
  t.equal(redis.isRunning, false);
});

t.test('a requested port that is in use is an error, and without a requested port a free port is found', async (t) => {
  const port = await freePort();
  const taken = createServer().listen(port, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  await t.rejects(startRedis(t, { port }), /address already in use/i);
  const tried: number[] = [];
  const redis = await onFreePort((free) => {
    tried.push(free);
    return startRedis(t, { port: tried.length === 1 ? port : free });
  });
  t.equal(redis.port, tried[1]);
});

t.test('a Redis ends with its test, and its files are removed', async (t) => {
  let [pid, folder] = [0, ''];
  await t.test('a test', async (t) => {
    const redis = await startRedis(t);
    pid = Number(/process_id:(\d+)/.exec(String(await redis.ask('INFO', 'server')))?.[1]);
    [, folder] = (await redis.ask('CONFIG', 'GET', 'dir')) as [string, string];
    t.ok(pid > 0 && existsSync(folder));
  });
  t.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  t.notOk(existsSync(folder));
});

t.test('the nodes of a cluster share all slots, and the slots of a node that has ended are missing', async (t) => {
  const cluster = await startRedisCluster(t);
  t.equal(cluster.nodes.length, 3);
  const [, , last] = cluster.nodes;
  const client = new Cluster([...cluster.urls], { redisOptions: { commandTimeout: 2000 } });
  client.on('error', () => undefined);
  t.teardown(() => client.disconnect());
  const keys = Array.from({ length: 60 }, (_, index) => `key-${index}`);
  for (const key of keys) await client.set(key, key);
  for (const key of keys) t.equal(await client.get(key), key);
  for (const node of cluster.nodes) t.ok(Number(await node.ask('DBSIZE')) > 0, 'every node holds some');
  await cluster.flush();
  t.equal(await client.get('key-1'), null);

  await last?.restart();
  for (const node of cluster.nodes) {
    await until(async () => String(await node.ask('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  }
  t.equal(await client.set('key-1', 1), 'OK', 'a node that was started again is part of the cluster again');
  await cluster.stop();
  t.ok(cluster.nodes.every(({ isRunning }) => !isRunning));
});

t.test('a Redis ends with the process that started it, even if that process is killed', async (t) => {
  const module = new URL('redis.ts', import.meta.url).href;
  const code = `import { startRedis } from '${module}';
    const redis = await startRedis({ teardown() {} });
    console.log(redis.port);
    setInterval(() => undefined, 1000);`;
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-owner-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const owner = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => owner.kill('SIGKILL'));
  const [port] = await once(owner.stdout, 'data');
  const client = new Client(Number(port), { retryStrategy: () => null });
  await once(client, 'ready');
  const hungUp = once(client, 'close');
  owner.kill('SIGKILL');
  await hungUp;
  await t.rejects(new Client(Number(port), { retryStrategy: () => null, lazyConnect: true }).connect());
});
