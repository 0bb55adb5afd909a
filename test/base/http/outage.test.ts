// PostgreSQL stops under load and starts again. Clients get "try later", no session ends, no write is lost, and the
// process continues.
import { EventEmitter, once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import t, { type Test } from 'tap';
import { startEmbedded } from '../../../src/base/embedded/embedded.ts';
import type { Api, Reply } from '../../support/client.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { fillPostgresFolder } from '../../support/servers/postgres.ts';
import { spawnService } from '../../support/service.ts';

const COOKIE = /^(tenantry_refresh=[^;]+);/;
const DOWN = '503 database_unavailable';

/** Counts answers by phase, kind, status and code, and notifies the waiting callers of each new answer. */
class Tally extends EventEmitter<{ answer: [] }> {
  phase = 'before';
  readonly counts = new Map<string, number>();

  add(kind: string, reply: Reply): void {
    // On a busy machine a request may wait for too long. Its answer says so, and counts for no phase.
    if (reply.code === 'service_busy') return;
    const key = `${this.phase}: ${kind} ${reply.status} ${reply.code ?? ''}`.trim();
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.emit('answer');
  }

  has(count: number, keys: readonly string[]): boolean {
    return keys.every((key) => (this.counts.get(key) ?? 0) >= count);
  }

  /** Resolves when each of these answers has occurred at least the given number of times. */
  async until(count: number, ...keys: string[]): Promise<void> {
    while (!this.has(count, keys)) await once(this, 'answer');
  }

  /** Returns the answers of a phase, without their counts. */
  seen(phase: string): string[] {
    return [...this.counts.keys()]
      .filter((key) => key.startsWith(`${phase}: `))
      .map((key) => key.slice(phase.length + 2));
  }
}

interface Load {
  readonly tally: Tally;
  /** The 503 answers that had a Set-Cookie, or no Retry-After. */
  readonly flaws: string[];
  /** The newest refresh token of each session. */
  readonly tokens: Map<string, string>;
  stop(): Promise<void>;
}

/** A short pause after each answer. Without it, the calls would use up the processor, and would wait for each other. */
const PAUSE_MS = 10;

/** Signs in, refreshes by body and by cookie, reads and registers again and again. */
function load(api: Api, accounts: readonly Account[], cookie: string): Load {
  const tally = new Tally();
  const flaws: string[] = [];
  const tokens = new Map<string, string>();
  let running = true;
  let [inCookie, made] = [cookie, 0];
  const loop = async (kind: string, call: () => Promise<Reply>) => {
    while (running) {
      const reply = await call();
      tally.add(kind, reply);
      await delay(PAUSE_MS);
      if (reply.status !== 503) continue;
      if (reply.setCookie.length > 0) flaws.push(`${kind}: ${reply.setCookie}`);
      if (!(Number(reply.headers.get('retry-after')) >= 1)) flaws.push(`${kind}: no Retry-After`);
    }
  };
  const [first] = accounts as [Account];
  const refreshes = accounts.map((account) =>
    loop('refresh', async () => {
      const reply = await api.post('/auth/refresh', {
        refreshToken: tokens.get(account.sessionId) ?? account.refreshToken,
      });
      if (reply.status === 200) tokens.set(account.sessionId, reply.body.data.refreshToken);
      return reply;
    }),
  );
  const all = [
    ...refreshes,
    loop('cookie', async () => {
      const reply = await api.post('/auth/refresh', undefined, { headers: { cookie: inCookie } });
      inCookie = COOKIE.exec(reply.setCookie[0] ?? '')?.[1] ?? inCookie;
      return reply;
    }),
    loop('login', () => api.post('/auth/login', { email: first.email, password: first.password })),
    loop('me', () => api.get('/me', { token: first.accessToken })),
    loop('rename', () => api.patch('/me', { name: 'Grace' }, { token: first.accessToken })),
    loop('list', () => api.get('/me/organizations', { token: first.accessToken })),
    loop('register', () => {
      made += 1;
      const body = {
        email: `load-${made}@example.com`,
        password: 'correct horse battery',
        name: 'L',
        organizationName: 'Load',
      };
      return api.post('/auth/register', body);
    }),
    loop('found', () => api.post('/organizations', { name: 'Load' }, { token: first.accessToken })),
    loop('logout', () => api.post('/auth/logout', { refreshToken: 'x.y.z' })),
    loop('keys', () => api.get('/.well-known/jwks.json')),
    loop('alive', () => api.get('/healthz')),
  ];
  const stop = async () => {
    running = false;
    await Promise.all(all);
  };
  return { tally, flaws, tokens, stop };
}

const GOOD: Readonly<Record<string, number>> = {
  refresh: 200,
  cookie: 200,
  login: 200,
  me: 200,
  rename: 200,
  list: 200,
  register: 201,
  found: 201,
  logout: 204,
  keys: 200,
  alive: 200,
};
const NEED_DATABASE = ['refresh', 'cookie', 'login', 'me', 'rename', 'list', 'register', 'found'];

const allGood = Object.entries(GOOD).map(([kind, status]) => `${kind} ${status}`);
const allDown = allGood.map((good) => {
  const [kind = ''] = good.split(' ');
  return NEED_DATABASE.includes(kind) ? `${kind} ${DOWN}` : good;
});

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'tenantry-outage-'));
  chmodSync(path, 0o755); // PostgreSQL runs as a user other than root and needs access
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function rows(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

t.test('while PostgreSQL is stopped under load, requests get 503, no session ends, and no write is lost', async (t) => {
  const directory = fillPostgresFolder(join(folder(t), 'postgres'));
  let postgres = await startEmbedded({ directory, disposable: true });
  t.teardown(() => postgres.stop());
  const service = await spawnService(t, { DATABASE_URL: postgres.ownerUrl });
  const { api } = service;
  const accounts = [await newAccount(api), await newAccount(api), await newAccount(api)];
  const [{ email, password }] = accounts as [Account];
  const signedIn = await api.post('/auth/login', { email, password, transport: 'cookie' });
  const cookie = COOKIE.exec(signedIn.setCookie[0] ?? '')?.[1];
  t.ok(cookie, 'a cookie to refresh with');

  const running = load(api, accounts, cookie ?? '');
  t.teardown(() => running.stop());
  const { tally } = running;
  await tally.until(3, ...allGood.map((good) => `before: ${good}`)); // everything works

  const { port } = postgres;
  tally.phase = 'stopping';
  await postgres.stop();
  // The requests that were in progress fail among the first answers. After those answers no request can succeed.
  await tally.until(1, ...allDown.map((down) => `stopping: ${down}`));
  tally.phase = 'down';
  await tally.until(5, ...allDown.map((down) => `down: ${down}`));
  const ready = await api.get('/readyz');
  t.match([ready.status, ready.body], [503, { status: 'not_ready', checks: { database: 'failed', keys: 'ok' } }]);
  t.strictSame(ready.body.reasons, { database: 'unreachable' });
  t.equal((await api.get('/me')).code, 'unauthenticated', 'a missing token is a 401, database or not');
  t.equal((await api.get('/me', { token: 'x.y.z' })).code, 'invalid_token');
  t.strictSame(
    tally.seen('down').toSorted(),
    allDown.toSorted(),
    'every call is refused cleanly, keys and liveness stay',
  );

  tally.phase = 'starting';
  postgres = await startEmbedded({ directory, disposable: true });
  t.equal(postgres.port, port, 'the database is back at the same address');
  await tally.until(1, ...allGood.map((good) => `starting: ${good}`));
  tally.phase = 'after';
  await tally.until(5, ...allGood.map((good) => `after: ${good}`));
  t.equal((await api.get('/readyz')).status, 200);
  await running.stop();

  const known = new Set([...allGood, ...allDown]);
  const unexpected = [...tally.counts.keys()].filter((key) => !known.has(key.slice(key.indexOf(':') + 2)));
  t.strictSame(unexpected, [], 'at every moment only the success or the refusal');
  t.strictSame(running.flaws, [], 'every refusal has a Retry-After and sets no cookie');
  for (const { sessionId } of accounts) {
    const again = await api.post('/auth/refresh', { refreshToken: running.tokens.get(sessionId) });
    t.strictSame([again.status, again.body.data?.sessionId], [200, sessionId], 'each session continues');
  }
  const ended = `SELECT id, revoked_reason FROM sessions WHERE revoked_at IS NOT NULL AND revoked_reason <> 'too_many_sessions'`;
  t.strictSame(await rows(postgres.adminUrl.replace(/postgres$/, 'tenantry'), ended), [], 'no session was ended');
  t.equal(service.child.exitCode ?? service.child.signalCode, null, 'the process is the same');
  t.strictSame(
    service.lines.filter((line) => /unforeseen|"level":[56]0/.test(line)),
    [],
    'the process logged no error',
  );
  t.equal(await service.end('SIGTERM'), 0, 'and stops normally');
});

t.test('a service that is started while PostgreSQL is not reachable prints the reason and exits', async (t) => {
  const directory = fillPostgresFolder(join(folder(t), 'postgres'));
  const postgres = await startEmbedded({ directory, disposable: true });
  await postgres.stop();
  await t.rejects(spawnService(t, { DATABASE_URL: postgres.ownerUrl }), {
    message: /ended with 1:.*cannot be reached \(.*ECONNREFUSED.*\): check DATABASE_URL/s,
  });
});
