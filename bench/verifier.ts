// `npm run bench:verifier` measures how many access tokens one core verifies in a second, repeated and fresh ones. It
// compares this with other libraries and the signature alone, in turns within one run. README.md explains the figures.
import { type KeyObject, verify } from 'node:crypto';
import { createVerifier as createFastJwt } from 'fast-jwt';
import { importJWK, jwtVerify } from 'jose';
import { createVerifier } from '../src/verifier/index.ts';
import { publicKeyOf } from '../src/verifier/keys/public-key.ts';
import { createTestIssuer } from '../src/verifier/testkit/testkit.ts';
import { median } from './paired.ts';

const quick = process.argv.includes('--quick');
const ROUNDS = quick ? 3 : 9;
/**
 * Numbers of distinct tokens. There are twice as many fresh tokens as the verifier's cache can hold, so the cache never
 * contains the next fresh token.
 */
const FRESH = quick ? 400 : 2000;
const REPEATED = 200;
const COPIES = 20_000;
const BATCHES = quick ? 4 : 20;

interface Contender {
  readonly name: string;
  /** Does the work once. Returns the number of operations and their CPU time in microseconds. */
  readonly round: () => Promise<{ operations: number; microseconds: number }>;
}

type Check = (token: string) => unknown;

const issuer = createTestIssuer();
const claims = {
  roles: ['member'],
  permissions: ['contacts:read', 'contacts:write', 'deals:read', 'deals:write', 'users:read'],
};
const tokens = Array.from({ length: FRESH }, () => issuer.token(claims));
const repeated = tokens.slice(0, REPEATED);
const bytes = repeated.map((token) => Buffer.from(token));
const headerBytes = repeated.map((token) => Buffer.from(`Bearer ${token}`));
const jwk = issuer.jwks().keys[0] ?? {};
const key = publicKeyOf(jwk) as KeyObject;

function verifierWith(cacheSize: number) {
  const { issuer: iss, audience } = issuer;
  return createVerifier({ issuer: iss, audience, cacheSize, keys: { find: () => key } });
}

async function timed(operations: number, work: () => Promise<void> | void) {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { operations, microseconds: user + system };
}

/** Verifies a few tokens again and again, as the same string objects. */
function sameStrings(name: string, check: Check): Contender {
  const operations = COPIES * BATCHES;
  const work = async () => {
    for (let done = 0; done < operations; done += REPEATED) for (const token of repeated) await check(token);
  };
  return { name, round: () => timed(operations, work) };
}

/** Verifies a few tokens again and again, each time as a new string, as a server reads them from its sockets. */
function newStrings(name: string, from: readonly Buffer[], check: Check): Contender {
  return {
    name,
    async round() {
      let microseconds = 0;
      for (let batch = 0; batch < BATCHES; batch += 1) {
        const copies = Array.from({ length: COPIES }, (_, index) =>
          (from[index % REPEATED] as Buffer).toString('latin1'),
        );
        const part = await timed(COPIES, async () => {
          for (const copy of copies) await check(copy);
        });
        microseconds += part.microseconds;
      }
      return { operations: COPIES * BATCHES, microseconds };
    },
  };
}

/** Verifies tokens that are in no cache. */
function fresh(name: string, check: Check): Contender {
  const work = async () => {
    for (const token of tokens) await check(token);
  };
  return { name, round: () => timed(tokens.length, work) };
}

function bare(): Contender {
  const parts = tokens.map((token) => {
    const cut = token.lastIndexOf('.');
    return { signed: Buffer.from(token.slice(0, cut)), signature: Buffer.from(token.slice(cut + 1), 'base64url') };
  });
  const work = () => {
    for (const { signed, signature } of parts) verify('RSA-SHA256', signed, key, signature);
  };
  return { name: 'node:crypto, the signature alone', round: () => timed(tokens.length, work) };
}

/** The work that every library must do: decode the text, parse the JSON, check the signature. */
function bareWithClaims(): Contender {
  const decode = (part = '') => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown;
  const check = (token: string) => {
    const [header, payload, signature = ''] = token.split('.');
    decode(header);
    decode(payload);
    const signed = Buffer.from(token.slice(0, -signature.length - 1));
    return verify('RSA-SHA256', signed, key, Buffer.from(signature, 'base64url'));
  };
  return fresh('node:crypto, from text, with JSON.parse', check);
}

async function contenders() {
  const options = { allowedIss: issuer.issuer, allowedAud: issuer.audience, algorithms: ['RS256' as const] };
  const pem = key.export({ type: 'spki', format: 'pem' }).toString();
  const fastJwt = createFastJwt({ key: pem, checkTyp: 'at+jwt', ...options, cache: false });
  const fastJwtCached = createFastJwt({ key: pem, checkTyp: 'at+jwt', ...options, cache: true });
  const joseKey = await importJWK(jwk, 'RS256');
  const joseOptions = { issuer: issuer.issuer, audience: issuer.audience, typ: 'at+jwt', algorithms: ['RS256'] };
  const jose = (token: string) => jwtVerify(token, joseKey, joseOptions);
  const remembering = verifierWith(10_000);
  const smallCache = verifierWith(FRESH / 2);
  const check = (token: string) => remembering.verify(token);
  return {
    repeated: [
      sameStrings('tenantry/verifier, the same strings', check),
      newStrings('tenantry/verifier, new strings', bytes, check),
      newStrings('tenantry/verifier, new headers', headerBytes, (header) => remembering.verifyHeader(header)),
      sameStrings('fast-jwt with its cache, the same strings', fastJwtCached),
      newStrings('fast-jwt with its cache, new strings', bytes, fastJwtCached),
    ],
    fresh: [
      bare(),
      bareWithClaims(),
      fresh('tenantry/verifier', (token) => smallCache.verify(token)),
      fresh('fast-jwt without its cache', fastJwt),
      fresh('jose, jwtVerify', jose),
    ],
  };
}

/** Returns the operations per second of CPU time of each round. The order changes from round to round. */
async function measure(all: readonly Contender[]): Promise<Map<string, number[]>> {
  const rates = new Map(all.map(({ name }) => [name, [] as number[]]));
  for (let round = -1; round < ROUNDS; round += 1) {
    const order = all.map((_, index) => all[(index + round + all.length) % all.length] as Contender);
    for (const contender of order) {
      const { operations, microseconds } = await contender.round();
      if (round >= 0) rates.get(contender.name)?.push((operations / microseconds) * 1e6);
    }
  }
  return rates;
}

function print(title: string, rates: Map<string, number[]>, against: string): void {
  const bounds = rates.get(against) ?? [];
  console.log(`\n${title}`);
  console.log(`${''.padEnd(44)}${'/s'.padStart(10)}${'µs'.padStart(9)}   ratio to ${against}`);
  for (const [name, own] of rates) {
    const rate = median(own);
    const ratio = median(own.map((value, round) => value / (bounds[round] ?? Number.NaN)));
    const micro = 1e6 / rate;
    console.log(
      `${name.padEnd(44)}${rate.toFixed(0).padStart(10)}${micro.toFixed(2).padStart(9)}   ${ratio.toFixed(2)}`,
    );
  }
}

const { repeated: again, fresh: anew } = await contenders();
console.log(
  `tokens of ${tokens[0]?.length} characters, RSA 2048, Node ${process.version}; per second of CPU time, medians`,
);
console.log(
  `of ${ROUNDS} rounds in turns; aims: repeated ≥ 1,000,000/s and not behind fast-jwt, fresh ≥ 0.9 of the signature`,
);
print('repeated tokens', await measure(again), 'fast-jwt with its cache, new strings');
print('fresh tokens', await measure(anew), 'node:crypto, the signature alone');
