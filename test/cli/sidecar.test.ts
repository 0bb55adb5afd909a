// `tenantry sidecar` as an operator runs it: as a separate process next to the real service. Also the configurations
// with which the sidecar refuses to start.
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { readCredentials, readSidecarOptions, SIDECAR_OPTIONS } from '../../src/cli/sidecar/options.ts';
import { openClient, openUpstream, refusal } from '../sidecar/open.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { openIssuer } from '../support/issuer.ts';
import { openService, PROGRAM_ENVIRONMENT, ROOT } from '../support/service.ts';
import { until } from '../support/until.ts';
import { CREDENTIALS, openStandIn } from '../verifier/stand-in.ts';
import { cliOn, openCli } from './command-line.ts';

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly health: string;
  readonly lines: Record<string, unknown>[];
  readonly ended: Promise<unknown[]>;
}

/** Starts the command and waits until it listens. */
async function startSidecar(t: Test, args: string[], env: Record<string, string>): Promise<Running> {
  const all = ['sidecar', '--listen', '127.0.0.1:0', '--management-listen', '127.0.0.1:0', ...args];
  const child = spawn(process.execPath, [join(ROOT, 'src', 'main.ts'), ...all], {
    env: { ...PROGRAM_ENVIRONMENT, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(JSON.parse(line)));
  await Promise.race([until(() => lines.some(({ msg }) => msg === 'listening')), ended]);
  const { port, management } = lines.find(({ msg }) => msg === 'listening') ?? {};
  return { child, lines, ended, url: `ws://127.0.0.1:${port}/`, health: `http://127.0.0.1:${management}` };
}

async function untilReady({ health }: Running, status = 200): Promise<void> {
  await until(async () => (await fetch(`${health}/readyz`)).status === status);
}

function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-sidecar-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });

t.test('the sidecar follows the service: a logout closes the socket, and a drain ends with exit code 0', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const made = await cliOn(database)('clients', 'create', 'sidecar', '--permission', 'revocations:read', '--json');
  t.equal(made.status, 0, made.stderr);
  const { clientId, clientSecret } = made.json.data;
  const secretFile = join(folderOf(t), 'secret');
  writeFileSync(secretFile, `${clientSecret}\n`);
  const upstream = await openUpstream(t);
  const args = ['--upstream', upstream.url.href, '--issuer', 'http://localhost:3000', '--service-url', service.url];
  const running = await startSidecar(t, args, {
    TENANTRY_CLIENT_ID: clientId,
    TENANTRY_CLIENT_SECRET_FILE: secretFile,
    TENANTRY_SIDECAR_DRAIN: '1s',
    TENANTRY_SIDECAR_COOKIE: '',
  });
  await untilReady(running);

  const account = await newAccount(service.api);
  const client = await openClient(running.url, [], bearer(account.accessToken));
  client.socket.send('hello');
  t.equal(await client.message(), 'hello');
  t.match(upstream.requests[0]?.headers, {
    'x-user-id': account.userId,
    'x-session-id': account.sessionId,
    'x-organization-id': account.organization.id,
    'x-roles': 'owner',
  });
  const { body } = await service.api.post('/auth/refresh', { refreshToken: account.refreshToken });
  client.socket.send(JSON.stringify({ event: 'authenticate', data: { token: body.data.accessToken } }));
  t.match(JSON.parse(String(await client.message())), { event: 'authenticated' });
  await service.api.post('/auth/logout', { refreshToken: body.data.refreshToken });
  t.same(await client.closed, { code: 4401, reason: 'session_revoked' });
  const again = openClient(running.url, [], bearer(account.accessToken));
  t.match(await refusal(again), { status: 401, code: 'session_revoked' });

  const other = await newAccount(service.api);
  const last = await openClient(running.url, [], bearer(other.accessToken));
  running.child.kill('SIGTERM');
  t.same(await last.closed, { code: 1001, reason: 'shutting_down' });
  t.same(await running.ended, [0, null]);
  const log = JSON.stringify(running.lines);
  for (const hidden of [clientSecret, account.accessToken, other.accessToken]) t.notOk(log.includes(hidden));
  t.ok(running.lines.every(({ level, time }) => typeof level === 'number' && /Z$/.test(String(time))));
});

t.test('the sidecar can also authenticate with a private key, in PEM or as a JWK', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const upstream = await openUpstream(t);
  const folder = folderOf(t);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(folder, 'public.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  writeFileSync(join(folder, 'key.pem'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
  writeFileSync(join(folder, 'key.json'), JSON.stringify(privateKey.export({ format: 'jwk' })));
  const cli = cliOn(database);
  const create = ['clients', 'create', 'sidecar', '--permission', 'revocations:read', '--json'];
  const made = await cli(...create, '--public-key', join(folder, 'public.pem'));
  t.equal(made.status, 0, made.stderr);
  for (const file of ['key.pem', 'key.json']) {
    const args = ['--upstream', upstream.url.href, '--issuer', 'http://localhost:3000', '--service-url', service.url];
    const key = ['--client-id', made.json.data.clientId, '--client-key-file', join(folder, file)];
    const running = await startSidecar(t, [...args, ...key], {});
    await untilReady(running);
    t.pass(file);
    running.child.kill('SIGTERM');
    t.same(await running.ended, [0, null]);
  }
});

t.test('new sockets get a 503 answer while the credentials are wrong or the service is not reachable', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const upstream = await openUpstream(t);
  const { accessToken } = await newAccount(service.api);
  const env = { TENANTRY_CLIENT_ID: '0196f0aa-0000-7000-8000-000000000001', TENANTRY_CLIENT_SECRET: 'tcs_wrong' };
  const args = ['--upstream', upstream.url.href, '--issuer', 'http://localhost:3000', '--service-url'];
  const wrong = await startSidecar(t, [...args, service.url], env);
  await until(() => wrong.lines.some(({ reason }) => /invalid_client/.test(String(reason))));
  const stale = await refusal(openClient(wrong.url, [], bearer(accessToken)));
  t.match(stale, { status: 503, code: 'revocations_stale' });
  t.equal((await fetch(`${wrong.health}/readyz`)).status, 503);
  t.equal((await fetch(`${wrong.health}/healthz`)).status, 200);
  const away = await startSidecar(t, [...args, 'http://127.0.0.1:1'], env);
  const keyless = await refusal(openClient(away.url, [], bearer(accessToken)));
  t.match(keyless, { status: 503, code: 'keys_unavailable' });
  t.match(keyless.headers['retry-after'], /^[1-9]/);
  t.notOk(JSON.stringify([wrong.lines, away.lines]).includes('tcs_wrong'));
  t.equal(upstream.requests.length, 0);
});

t.test('after an error of the feed, the log says once that the revocations are followed again', async (t) => {
  const upstream = await openUpstream(t);
  const service = await openStandIn(t);
  const env = { TENANTRY_CLIENT_ID: CREDENTIALS.clientId, TENANTRY_CLIENT_SECRET: CREDENTIALS.clientSecret };
  const args = ['--upstream', upstream.url.href, '--issuer', service.issuer.issuer, '--service-url', service.url];
  const { lines } = await startSidecar(t, args, env);
  const about = (text: string) => lines.filter(({ msg, reason }) => msg === text || String(reason).includes(text));
  await until(() => about('revocations are followed').length === 1);
  const { feed } = service.endpoints;
  for (let times = 1; times <= 2; times += 1) {
    service.endpoints.feed = (_, response) => {
      service.endpoints.feed = feed;
      response.writeHead(times === 1 ? 401 : 502).end();
    };
    service.streams.at(-1)?.end();
    await until(() => about('revocations are followed again').length === times);
  }
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // longer than the sidecar waits between two checks
  const counts = ['401 instead', '502 instead', 'revocations are followed', 'revocations are followed again'].map(
    (text) => about(text).length,
  );
  t.same(counts, [1, 1, 1, 2]);
});

t.test('a sidecar without revocations logs this, and verifies tokens only with the keys', async (t) => {
  const keys = createServer((_, response) => response.end(JSON.stringify(issuer.jwks())));
  keys.listen(0, '127.0.0.1');
  await once(keys, 'listening');
  t.teardown(() => keys.close());
  const url = `http://127.0.0.1:${(keys.address() as AddressInfo).port}`;
  const issuer = openIssuer({ issuer: url, audience: 'chat' });
  const upstream = await openUpstream(t);
  const args = ['--upstream', upstream.url.href, '--issuer', url, '--audience', 'other, chat', '--no-revocation'];
  const running = await startSidecar(t, [...args, '--first-message', '--forward-token', '--drain', '0'], {});
  await untilReady(running);
  t.ok(running.lines.some(({ msg }) => /revocations are not followed/.test(String(msg))));
  const client = await openClient(running.url, [], {});
  const token = issuer.token();
  client.socket.send(JSON.stringify({ event: 'authenticate', data: { token } }));
  t.match(JSON.parse(String(await client.message())), { event: 'authenticated' });
  client.socket.send('hello');
  t.equal(await client.message(), 'hello');
  t.equal(upstream.requests[0]?.headers.authorization, `Bearer ${token}`);
  running.child.kill('SIGINT');
  t.equal((await client.closed).code, 1001);
  t.same(await running.ended, [0, null]);
});

t.test('the error names every option that is wrong or missing, or that contradicts another option', async (t) => {
  const folder = folderOf(t);
  writeFileSync(join(folder, 'empty'), '');
  writeFileSync(join(folder, 'broken'), '{');
  const places = { upstream: 'http://127.0.0.1:8080', issuer: 'https://auth.test' };
  const named = { ...places, clientId: 'x' };
  const alone = { ...places, revocation: false };
  const cases: [Record<string, unknown>, Record<string, string>, RegExp][] = [
    [{}, {}, /--upstream \(or TENANTRY_SIDECAR_UPSTREAM\) is required; --issuer \(or TENANTRY_ISSUER\) is required/],
    [{ upstream: 'http://a.test/base', issuer: 'ftp://x' }, {}, /--upstream: .*path.*; --issuer: /],
    [places, {}, /--no-revocation/],
    [named, {}, /--no-revocation/],
    [places, { TENANTRY_CLIENT_SECRET: 'top-secret' }, /--client-id/],
    [{ ...named, clientKeyFile: 'k' }, { TENANTRY_CLIENT_SECRET: 'top-secret' }, /with one of/],
    [{ ...named, revocation: false }, {}, /not both/],
    [places, { TENANTRY_CLIENT_SECRET: 'top-secret', TENANTRY_CLIENT_SECRET_FILE: '/x' }, /not both/],
    [named, { TENANTRY_CLIENT_SECRET_FILE: join(folder, 'none') }, /cannot be read \(ENOENT\)/],
    [named, { TENANTRY_CLIENT_SECRET_FILE: join(folder, 'empty') }, /is empty/],
    [{ ...named, clientKeyFile: join(folder, 'broken') }, {}, /neither PEM nor a JWK/],
    [{ ...alone, listen: '9000' }, {}, /--listen: must be host:port/],
    [{ ...alone, listen: 'a:70000' }, {}, /65535/],
    [{ ...alone, allowedOrigins: 'https://a.test/' }, {}, /origins/],
    [{ ...alone, trustedProxies: 'proxy.test' }, {}, /CIDR/],
    [{ ...alone, cookie: 'a b' }, {}, /--cookie: must be a plain name/],
    [alone, { TENANTRY_SIDECAR_FIRST_MESSAGE: 'yes' }, /TENANTRY_SIDECAR_FIRST_MESSAGE: must be true or false/],
    [{ ...alone, maxSockets: '1e3' }, {}, /--max-sockets: /],
    [{ ...alone, drain: '-1s' }, {}, /--drain: /],
  ];
  for (const [given, env, wanted] of cases) {
    const read = () => {
      const choices = readSidecarOptions(given, env);
      readCredentials(choices, given.revocation !== false, env);
    };
    t.throws(read, { code: 'usage', message: wanted }, JSON.stringify(given));
  }
  const env = { TENANTRY_SIDECAR_COOKIE: 'of-variable', TENANTRY_SIDECAR_DRAIN: '2m', TENANTRY_SIDECAR_LISTEN: '' };
  t.match(readSidecarOptions({ ...alone, cookie: 'of-argument', firstMessage: true }, env), {
    cookie: 'of-argument',
    drain: 120,
    firstMessage: true,
    forwardToken: false,
    listen: { host: '127.0.0.1', port: 9000 },
  });
  t.match(readSidecarOptions({ ...alone, listen: '[::1]:1' }, {}), { listen: { host: '::1', port: 1 } });
  t.match(readSidecarOptions({ ...alone, listen: ':8080' }, {}), { listen: { host: '0.0.0.0', port: 8080 } });
});

t.test('a configuration that prevents the start is reported in one line that says what to do', async (t) => {
  const cli = openCli({ TENANTRY_CLIENT_SECRET: 'top-secret' });
  const empty = join(folderOf(t), 'empty');
  writeFileSync(empty, '');
  const places = ['--upstream', 'http://127.0.0.1:8080', '--issuer', 'https://auth.test'];
  for (const [reply, wanted] of [
    [await cli('sidecar', ...places), /--client-id/],
    [await cli('sidecar', ...places, '--client-secret', 'x'), /unknown option/],
    [await openCli({})('sidecar', ...places, '--client-id', 'x', '--client-key-file', empty), /key/],
  ] as const) {
    t.equal(reply.status, 2);
    t.equal(reply.stdout, '');
    t.match(reply.stderr, wanted);
    t.match(reply.stderr, /^tenantry: .+\n$/);
    t.notMatch(reply.stderr, /top-secret| {4}at /);
  }
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  for (const option of ['--listen', '--management-listen']) {
    const free = option === '--listen' ? [] : ['--listen', '127.0.0.1:0'];
    const reply = await openCli({})('sidecar', ...places, '--no-revocation', ...free, option, `127.0.0.1:${port}`);
    t.equal(reply.status, 1);
    t.match(reply.stderr, new RegExp(`^tenantry: ${option}: 127.0.0.1:${port} .*another program uses it\n$`));
  }
});

t.test('the documentation lists exactly the existing options, each with its variable', async (t) => {
  const page = readFileSync(join(ROOT, 'docs', 'websockets.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `(--[a-z-]+)[^`]*` \| `(TENANTRY_\w+)` \|/gm)].map(([, flag, name]) => [
    flag,
    name,
  ]);
  const known = Object.values(SIDECAR_OPTIONS).map(({ flags, variable }) => [flags.split(' ')[0], variable]);
  t.same(rows, known);
});

t.test('a reader of the log that stops reading does not stop the sidecar', async (t) => {
  const upstream = await openUpstream(t);
  const args = ['--upstream', upstream.url.href, '--issuer', 'http://localhost:3000', '--no-revocation'];
  const { child, url, health } = await startSidecar(t, args, {});
  child.stdout?.pause();
  const refused = url.replace('ws:', 'http:');
  // Each refusal writes a line to the log. Together, the lines are many times longer than a pipe can hold.
  for (let batch = 0; batch < 40; batch += 1) {
    const replies = await Promise.all(Array.from({ length: 50 }, () => fetch(refused)));
    for (const reply of replies) await reply.body?.cancel();
    if (batch === 0) t.same([...new Set(replies.map(({ status }) => status))], [401]);
  }
  t.equal((await fetch(`${health}/healthz`)).status, 200);
});
