// The connection to Redis: which servers are accepted, which node of a cluster is used, and that close() leaves no
// connection open.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import { holdRedis, type RedisConnection, type RedisNode } from '../../../src/base/platform/redis.ts';
import { startRedis } from '../../support/servers/redis.ts';
import { until } from '../../support/until.ts';

const HOST = '127.0.0.1';

/** Opens a connection. `next` returns the connection, or the reason why there is none. */
function hold(t: Test, ports: readonly number[], work?: (connection: RedisConnection) => Promise<void>) {
  const happened: (RedisConnection | Error)[] = [];
  let wake = () => {};
  const tell = (what: RedisConnection | Error) => {
    happened.push(what);
    wake();
  };
  const nodes: RedisNode[] = ports.map((port) => ({ host: HOST, port }));
  const held = holdRedis({
    settings: { nodes, tls: false, username: '', password: '', database: 0 },
    key: 'a key',
    answerMs: 300,
    async work(connection) {
      tell(connection);
      await (work?.(connection) ?? connection.gone);
    },
    onTrouble: tell,
  });
  t.teardown(() => held.close());
  const next = async () => {
    while (happened.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return happened.shift();
  };
  return { ...held, next };
}

/** Starts a server that answers each command with `answer`, which gets the words of the command in lower case. */
async function pretend(t: Test, answer: (words: string[], socket: Socket) => string | null): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      for (const command of data.toString().split(/(?=\*\d+\r\n)/)) {
        const reply = answer(
          [...command.matchAll(/\$\d+\r\n(.*)\r\n/g)].map(([, word = '']) => word.toLowerCase()),
          socket,
        );
        if (reply !== null) socket.write(`${reply}\r\n`);
      }
    });
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const hello = (version: string) => `*4\r\n+server\r\n+redis\r\n+version\r\n+${version}`;

t.test('a Redis older than version 7 is refused, and the error names its version', async (t) => {
  for (const version of ['6.2.14', '5.0.7', 'unknown']) {
    const port = await pretend(t, ([name]) => (name === 'hello' ? hello(version) : ':0'));
    t.match(await hold(t, [port]).next(), { message: `127.0.0.1:${port}: its version is ${version}, and 7 or newer` });
  }
  for (const version of ['7.0.0', '7.4.2', '8.2.1', '10.0.0']) {
    const port = await pretend(t, ([name]) => (name === 'hello' ? hello(version) : ':0'));
    t.type((await hold(t, [port]).next()) as RedisConnection, 'object');
  }
});

t.test('nodes that redirect to each other, or to no node, cause an error', async (t) => {
  const ports: number[] = [];
  for (const other of [1, 0]) {
    const port = await pretend(t, ([name]) =>
      name === 'hello' ? hello('7.2.0') : `-MOVED 42 ${HOST}:${ports[other] ?? 0}`,
    );
    ports.push(port);
  }
  t.match(await hold(t, ports.slice(0, 1)).next(), { message: /redirect to each other/ });
  const nowhere = await pretend(t, ([name]) => (name === 'hello' ? hello('7.2.0') : '-MOVED 42 :1'));
  t.match(await hold(t, [nowhere]).next(), { message: /ECONNREFUSED 127\.0\.0\.1:1$/ }, 'the host is the same');
});

t.test('the first listed node that answers is used', async (t) => {
  const redis = await startRedis(t);
  const connection = (await hold(t, [1, redis.port]).next()) as RedisConnection;
  t.equal(await connection.ask('ECHO', 'here'), 'here');
});

t.test('a server that sends nothing, or an invalid answer, causes an error within a time limit', async (t) => {
  const silent = await pretend(t, () => null);
  t.match(await hold(t, [silent]).next(), { message: /timed out/ });
  const odd = await pretend(t, () => 'HTTP/1.1 400 Bad Request');
  t.match(await hold(t, [odd]).next(), Error);
});

t.test('a lost connection is reported at once, and a new connection is opened', async (t) => {
  const redis = await startRedis(t);
  const held = hold(t, [redis.port]);
  const first = (await held.next()) as RedisConnection;
  await redis.ask('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  await first.gone;
  await t.rejects(first.ask('PING'));
  const second = (await held.next()) as RedisConnection;
  t.equal(await second.ask('PING'), 'PONG');
  held.close();
  await second.gone;
  await t.rejects(second.ask('PING'));
});

t.test('a close() during the search for the node with the key ends the search and closes the connection', async (t) => {
  const closed = Promise.withResolvers<void>();
  let close = () => {};
  const port = await pretend(t, ([name], socket) => {
    if (name === 'hello') return hello('7.2.0');
    socket.once('close', closed.resolve);
    close();
    return ':0';
  });
  close = hold(t, [port], async () => void t.fail('no work after the end')).close;
  await closed.promise;
  t.pass('the server sees the disconnect');
});

t.test('a connection that is closed while it is being opened stays closed', async (t) => {
  const redis = await startRedis(t);
  const held = hold(t, [redis.port], async () => void t.fail('no work after the end'));
  held.close();
  // It does not connect again: only the connection that asks remains.
  await until(async () => {
    const clients = String(await redis.ask('CLIENT', 'LIST', 'TYPE', 'normal'));
    return clients.trim().split('\n').length === 1;
  });
});
