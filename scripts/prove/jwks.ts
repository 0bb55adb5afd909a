// Proves: a verifier at 5,000 verifications a second refuses no good token during a flood of tokens with unknown keys,
// two key rotations and an outage of the JWKS. It also fetches the keys at most every 30 seconds.
// `prove:jwks [minutes of outage]`.
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { generateKeyFile } from '../../src/credentials/keys/generate.ts';
import { createVerifier, type Verifier } from '../../src/verifier/index.ts';
import { openApi } from '../../test/support/client.ts';
import { type Account, newAccount } from '../../test/support/fixtures/accounts.ts';
import { demand } from './proof.ts';
import { openSessions } from './sessions.ts';
import { type Service, type Testbed, withTestbed } from './testbed.ts';

const [minutes = 10] = process.argv.slice(2).map(Number);
const AUDIENCE = 'tenantry';
const REMEMBERED_EACH = 40;
const FRESH_EACH = 12;
const UNKNOWN_EACH = 5;
const ROUND_MILLISECONDS = 10;
/**
 * The number of tokens that are verified in full. The verifier remembers fewer, so it has forgotten each token when
 * that token's turn comes again.
 */
const FRESH_TOKENS = 1_500;
const CACHE_SIZE = 400;
const REMEMBERED_TOKENS = 50;
const MINT_EVERY_MILLISECONDS = 240_000;
const LEAD_SECONDS = 75;
const COOLDOWN_MILLISECONDS = 30_000;

type Mode = 'pass' | 'refuse' | 'hang' | 'error' | 'garbage';

interface Front {
  readonly url: string;
  readonly fetchedAt: number[];
  mode: Mode;
}

/** Opens a proxy in front of the service's JWKS that records each fetch and can fail in several ways. */
async function openFront(testbed: Testbed, service: Service): Promise<Front> {
  const hanging = new Set<ServerResponse>();
  const server = createServer(async (request, response) => {
    front.fetchedAt.push(performance.now());
    if (front.mode === 'refuse') return void request.socket.destroy();
    if (front.mode === 'hang') return void hanging.add(response);
    if (front.mode === 'error') return void response.writeHead(503).end();
    if (front.mode === 'garbage') return void response.writeHead(200).end('<html>'.repeat(10_000));
    const etag = request.headers['if-none-match'];
    const answer = await fetch(
      `${service.url}/.well-known/jwks.json`,
      etag ? { headers: { 'if-none-match': etag } } : {},
    );
    const headers = ['etag', 'cache-control', 'content-type'].map((name) => [name, answer.headers.get(name) ?? '']);
    response.writeHead(answer.status, Object.fromEntries(headers)).end(await answer.text());
  });
  const front: Front = { url: '', fetchedAt: [], mode: 'pass' };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  testbed.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return Object.assign(front, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks` });
}

interface TokenSet {
  remembered: string[];
  fresh: string[];
}

async function issueTokens(testbed: Testbed, service: Service, account: Account): Promise<TokenSet> {
  const opened = await openSessions(testbed, service, account.userId, FRESH_TOKENS + REMEMBERED_TOKENS);
  const texts = opened.map(({ accessToken }) => accessToken);
  return { remembered: texts.slice(0, REMEMBERED_TOKENS), fresh: texts.slice(REMEMBERED_TOKENS) };
}

interface Count {
  good: number;
  unknown: number;
  behindMilliseconds: number;
  kids: Set<string>;
}

function kidOf(token: string): string {
  return JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid;
}

/** Returns the token with an unknown key id: well-formed, but with a signature that no key made. */
function withUnknownKid(token: string, number: number): string {
  const [, payload, signature] = token.split('.');
  const header = JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: `unknown-${number}` });
  return `${Buffer.from(header).toString('base64url')}.${payload}.${signature}`;
}

/**
 * Verifies in rounds of 10 ms until the proof ends. Raises NotShown at the first good token that is refused, and at the
 * first token with an unknown key that is accepted.
 */
async function keepVerifying(
  verifier: Verifier,
  tokenSet: () => TokenSet,
  isOver: () => boolean,
  count: Count,
): Promise<void> {
  let turn = 0;
  let failure: Error | undefined;
  const begun = performance.now();
  const accepted = () => {
    count.good += 1;
  };
  const refusedRightly = () => {
    count.unknown += 1;
  };
  const refused = (error: Error) => {
    failure ??= error;
  };
  for (let round = 1; !isOver(); round += 1) {
    const { remembered, fresh } = tokenSet();
    const good: string[] = [];
    for (let index = 0; index < REMEMBERED_EACH; index += 1)
      good.push(remembered[(turn + index) % remembered.length] ?? '');
    for (let index = 0; index < FRESH_EACH; index += 1)
      good.push(fresh[(round * FRESH_EACH + index) % fresh.length] ?? '');
    turn += REMEMBERED_EACH;
    for (const token of good) verifier.verify(token).then(accepted, refused);
    for (let index = 0; index < UNKNOWN_EACH; index += 1) {
      const unknown = withUnknownKid(remembered[0] ?? '', turn + index);
      verifier.verify(unknown).then(() => refused(new Error('a token of an unknown key was accepted')), refusedRightly);
    }
    count.kids.add(kidOf(good[0] ?? ''));
    demand(failure === undefined, `a verification failed: ${failure?.message}`);
    const due = begun + round * ROUND_MILLISECONDS;
    count.behindMilliseconds = Math.max(count.behindMilliseconds, performance.now() - due);
    await delay(Math.max(0, due - performance.now()));
  }
}

/** Adds a key, which is published before it signs. Resolves once tokens are signed with the new key. */
async function rotate(testbed: Testbed, renew: () => Promise<void>): Promise<void> {
  const activeFrom = new Date(Math.ceil(performance.timeOrigin + performance.now()) + LEAD_SECONDS * 1000);
  await generateKeyFile({ directory: join(testbed.keysDirectory, 'access'), activeFrom });
  await delay(LEAD_SECONDS * 1000 + 2_000);
  await renew();
}

async function run(testbed: Testbed): Promise<string> {
  const service = await testbed.startService({ settings: { SESSIONS_PER_USER_MAX: '10000', ACCESS_TOKEN_TTL: '15m' } });
  const account = await newAccount(openApi(service.url));
  const front = await openFront(testbed, service);
  const issuer = `http://localhost:${service.port}`;
  let tokenSet = await issueTokens(testbed, service, account);
  const renew = async () => {
    tokenSet = await issueTokens(testbed, service, account);
  };
  const verifier = createVerifier({ issuer, audience: AUDIENCE, jwksUri: front.url, cacheSize: CACHE_SIZE });
  testbed.teardown(() => verifier.close());
  await verifier.ready();
  const count: Count = { good: 0, unknown: 0, behindMilliseconds: 0, kids: new Set() };
  let isOver = false;
  const begun = performance.now();
  const course = async () => {
    await delay(5_000);
    await rotate(testbed, renew);
    console.log('rotated once');
    const modes: Mode[] = ['refuse', 'hang', 'error', 'garbage'];
    const end = performance.now() + minutes * 60_000;
    let issued = performance.now();
    for (let step = 0; performance.now() < end; step += 1) {
      front.mode = modes[Math.floor(((performance.now() - end) / (minutes * 60_000) + 1) * modes.length)] ?? 'refuse';
      await delay(Math.min(1_000, end - performance.now()));
      if (performance.now() - issued > MINT_EVERY_MILLISECONDS) {
        await renew();
        issued = performance.now();
      }
      if (step % 60 === 0) console.log(`away (${front.mode}): ${count.good} good, ${front.fetchedAt.length} fetches`);
    }
    front.mode = 'pass';
    await rotate(testbed, renew);
    await delay(5_000);
    isOver = true;
  };
  await Promise.all([
    course(),
    keepVerifying(
      verifier,
      () => tokenSet,
      () => isOver,
      count,
    ),
  ]);
  const seconds = (performance.now() - begun) / 1000;
  const distances = front.fetchedAt.slice(1).map((at, index) => at - (front.fetchedAt[index] ?? 0));
  const least = Math.min(...distances);
  const rate = count.good / seconds;
  demand(least >= COOLDOWN_MILLISECONDS - 100, `two fetches were ${least.toFixed(0)} ms apart`);
  demand(rate >= 5_000, `only ${rate.toFixed(0)} verifications a second`);
  demand(count.kids.size === 3, `tokens of ${count.kids.size} keys were seen instead of 3`);
  demand(count.unknown > 0, 'no token of an unknown key was refused');
  const share = Math.round((FRESH_EACH / (FRESH_EACH + REMEMBERED_EACH)) * 100);
  return `SHOWN: ${count.good} verifications (${rate.toFixed(0)}/s, ${share} % of them not remembered) through ${minutes} minutes without a JWKS (refused, hanging, 503, garbage), two rotations and ${count.unknown} tokens with unknown keys: none failed; ${front.fetchedAt.length} fetches in ${seconds.toFixed(0)} s, never two within ${(least / 1000).toFixed(1)} s`;
}

await withTestbed({ name: 'jwks', disposable: true }, async (testbed) => {
  demand(minutes > 0, 'usage: prove:jwks [minutes]');
  return run(testbed);
});
