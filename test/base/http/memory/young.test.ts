// A collection of young objects frees every request that was answered. Such a collection keeps everything to which an
// old object refers, even if the old object is garbage itself (a table that a Map has outgrown, an entry of a WeakMap).
// A request to which such an object refers would stay until the next collection of the whole heap, and every collection
// would have more work.
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import t, { type Test } from 'tap';
import { createDatabase } from '../../../support/database.ts';
import { newAccount } from '../../../support/fixtures/accounts.ts';
import { type ServiceProcess, spawnService } from '../../../support/service.ts';
import { until } from '../../../support/until.ts';

// Only the test starts collections: the space for young objects is larger than the test needs. Every object is young at
// first.
const FLAGS = [
  '--expose-gc',
  '--single-threaded-gc',
  '--min-semi-space-size=64',
  '--max-semi-space-size=64',
  '--no-allocation-site-pretenuring',
];
const CONNECTIONS = 4;
const REQUESTS = 120;

interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
}

async function open(t: Test) {
  const database = await createDatabase(t);
  const settings = {
    DATABASE_URL: database.ownerUrl,
    DATABASE_APP_URL: database.appUrl,
    DATABASE_SYSTEM_URL: database.systemUrl,
    DATABASE_POOL_SIZE: '2', // so that requests wait for a connection
  };
  const service = await spawnService(t, settings, [...FLAGS, `--import=${new URL('ballast.ts', import.meta.url)}`]);
  const { accessToken } = await newAccount(service.api);
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  t.teardown(() => agent.destroy());
  return { service, accessToken, agent };
}

/** How many requests of the service were not collected. */
async function kept({ child, lines }: ServiceProcess): Promise<number> {
  const from = lines.length;
  child.kill('SIGUSR2');
  const find = () => lines.slice(from).find((line) => line.startsWith('{"ballast"'));
  await until(async () => find() !== undefined);
  return JSON.parse(find() ?? '').ballast;
}

async function send(url: string, agent: Agent, token: string, { method, path, body }: Call): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) };
  const sending = request(`${url}${path}`, { agent, method, headers });
  sending.end(body && JSON.stringify(body));
  const [answer] = await once(sending, 'response');
  answer.resume();
  await once(answer, 'end');
  if (answer.statusCode !== 200) throw new Error(`${method} ${path} answered ${answer.statusCode}`);
}

t.test('a collection of young objects frees every request that was answered', async (t) => {
  const { service, accessToken, agent } = await open(t);
  const calls: Call[] = [
    { method: 'GET', path: '/.well-known/jwks.json' },
    { method: 'GET', path: '/verify' },
    { method: 'GET', path: '/api/v1/me' },
    { method: 'GET', path: '/api/v1/users' },
    { method: 'POST', path: '/api/v1/authz/check', body: { resource: 'users', action: 'read' } },
  ];
  for (const call of calls) {
    const load = (requests: number) =>
      Promise.all(Array.from({ length: requests }, () => send(service.url, agent, accessToken, call)));
    await load(REQUESTS);
    const before = await kept(service); // after this, the objects that the service keeps for long are old
    await load(REQUESTS);
    const after = await kept(service);
    // Each connection may refer to its last request.
    t.ok(after - before <= 2 * CONNECTIONS, `${after - before} of ${REQUESTS} requests to ${call.path} are kept`);
  }
});
