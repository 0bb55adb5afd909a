/**
 * The guarantees of hashing: a limit on the work in progress, the same work for unknown accounts, the refusal of
 * hostile stored hashes, and the format.
 */
// Runs in a process of its own: it counts the hashes that the process starts.
import { createHook } from 'node:async_hooks';
import { argon2d, hash as argon2Hash, argon2i } from 'argon2';
import t from 'tap';
import { createPasswords, PasswordQueueFull } from '../../../src/credentials/passwords/hashing.ts';
import { createPermits } from '../../../src/credentials/passwords/permits.ts';

const CHEAP = { memoryKiB: 256, iterations: 1, parallelism: 1 };
const cheap = (concurrency = 2, queueMax = 64) => createPasswords({ parameters: CHEAP, concurrency, queueMax });
const RIGHT = { matches: true, needsRehash: false };
const WRONG = { matches: false, needsRehash: false };

// The hashes that the native library starts and finishes, as Node reports them.
const native = { begun: 0, inFlight: 0, inFlightMax: 0 };
const open = new Set<number>();
createHook({
  init(id, type) {
    if (type !== 'argon2:HashWorker') return;
    open.add(id);
    native.begun += 1;
    native.inFlight += 1;
    native.inFlightMax = Math.max(native.inFlightMax, native.inFlight);
  },
  before(id) {
    if (open.delete(id)) native.inFlight -= 1;
  },
}).enable();

async function hashesBegunBy(work: () => Promise<unknown>): Promise<number> {
  const before = native.begun;
  await work();
  return native.begun - before;
}

t.test('a hash is a salted argon2id PHC string with the configured parameters', async (t) => {
  const passwords = cheap();
  const [one, two] = await Promise.all([passwords.hash('a fine password'), passwords.hash('a fine password')]);
  t.match(one, /^\$argon2id\$v=19\$m=256,t=1,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
  t.not(one, two);
  t.same(await passwords.verify('a fine password', one), RIGHT);
  t.same(await passwords.verify('a fine passwore', one), WRONG);
});

t.test('with a limit of two running and three waiting hashes, the sixth hash is refused', async (t) => {
  const passwords = cheap(2, 3);
  native.inFlightMax = 0;
  const accepted = ['1', '2', '3', '4', '5'].map((password) => passwords.hash(password));
  t.same([passwords.running, passwords.waiting], [2, 3]);
  const refused = await passwords.hash('6').catch((error: unknown) => error);
  t.ok(refused instanceof PasswordQueueFull && Number.isInteger(refused.retryAfterSeconds));
  t.ok(refused instanceof PasswordQueueFull && refused.retryAfterSeconds >= 1);
  await t.rejects(passwords.verify('7', null), PasswordQueueFull, 'an unknown account waits in the same queue');
  await Promise.all(accepted);
  t.equal(native.inFlightMax, 2, 'never more than two at once in the native library');
  t.same([passwords.running, passwords.waiting], [0, 0]);
  t.same(await passwords.verify('8', await passwords.hash('8')), RIGHT);
});

t.test('waiting calls get permits in their order, and a call that fails returns its permit', async (t) => {
  const permits = createPermits(1, 3, 1);
  const started: string[] = [];
  const gate = Promise.withResolvers<void>();
  const works = [
    permits.run(() => gate.promise),
    permits.run(() => Promise.reject(new Error(`${started.push('rejects')}`))),
    permits.run(() => {
      throw new Error(`${started.push('throws')}`);
    }),
    permits.run(async () => started.push('answers')),
  ];
  const settled = Promise.allSettled(works);
  await t.rejects(
    permits.run(async () => started.push('refused')),
    PasswordQueueFull,
  );
  t.same([permits.running, permits.waiting, started], [1, 3, []], 'held until the work has ended');
  gate.resolve();
  t.same(
    (await settled).map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
  );
  t.same(started, ['rejects', 'throws', 'answers']);
  t.same([permits.running, permits.waiting], [0, 0]);
});

t.test('a sign-in to an unknown account costs one hash and one permit, like one to a known account', async (t) => {
  const passwords = cheap(1);
  const stored = await passwords.hash('the right one');
  for (const [title, string] of [
    ['unknown', null],
    ['known', stored],
    ['a kind that is not known', '$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'],
  ] as const) {
    const begun = await hashesBegunBy(async () => {
      const answer = passwords.verify('the wrong one', string);
      t.equal(passwords.running, 1, title);
      t.same(await answer, WRONG, title);
    });
    t.equal(begun, 1, title);
  }
});

t.test('a hash with other parameters or of another kind verifies and is marked for renewal', async (t) => {
  const passwords = cheap();
  const options = { memoryCost: 256, timeCost: 1, parallelism: 1 };
  const table: [string, Parameters<typeof argon2Hash>[1], boolean][] = [
    ['the same', {}, false],
    ['less memory', { memoryCost: 128 }, true],
    ['more memory', { memoryCost: 512 }, true],
    ['more passes', { timeCost: 2 }, true],
    ['more lanes', { parallelism: 2 }, true],
    ['argon2i', { type: argon2i }, true],
    ['argon2d', { type: argon2d }, true],
    ['version 1.0', { version: 0x10 }, true],
    ['a shorter digest', { hashLength: 16 }, true],
    ['a shorter salt', { salt: Buffer.alloc(8, 1) }, true],
  ];
  for (const [title, change, needsRehash] of table) {
    const stored = await argon2Hash('a password', { ...options, ...change });
    t.same(await passwords.verify('a password', stored), { matches: true, needsRehash }, title);
    t.same(await passwords.verify('another', stored), WRONG, `${title}, wrong password`);
  }
});

t.test('a hash of another implementation verifies', async (t) => {
  // This is the test vector of the reference implementation: argon2id, 256 KiB, two passes.
  const stored = '$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4';
  t.same(await cheap().verify('password', stored), { matches: true, needsRehash: true });
});

t.test('a hostile or broken stored hash never matches, and costs one hash with the usual parameters', async (t) => {
  const passwords = cheap();
  const good = await passwords.hash('x');
  const salt = Buffer.alloc(400, 1);
  const overlong = await argon2Hash('x', { memoryCost: 256, timeCost: 1, parallelism: 1, salt });
  const tail = good.split('$').slice(4).join('$');
  const hostile = [
    overlong,
    `$argon2id$v=19$m=4294967295,t=1,p=1$${tail}`,
    `$argon2id$v=19$m=262145,t=1,p=1$${tail}`,
    `$argon2id$v=19$m=256,t=4294967295,p=1$${tail}`,
    `$argon2id$v=19$m=256,t=21,p=1$${tail}`,
    `$argon2id$v=19$m=65536,t=1,p=16777215$${tail}`,
    `$argon2id$v=19$m=256,t=1,p=17$${tail}`,
    `$argon2id$v=19$m=7,t=1,p=1$${tail}`,
    `$argon2id$v=19$m=0,t=0,p=0$${tail}`,
    `$argon2id$v=19$m=-1,t=1,p=1$${tail}`,
    `$argon2id$v=19$m=1e9,t=1,p=1$${tail}`,
    `$argon2id$v=20$m=256,t=1,p=1$${tail}`,
    `$argon2x$v=19$m=256,t=1,p=1$${tail}`,
    '$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQ$',
    '$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQ$AAAA',
    '$argon2id$v=19$m=256,t=1,p=1$AAAA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4',
    `$argon2id$v=19$m=256,t=1,p=1$${'A'.repeat(100_000)}$${'A'.repeat(43)}`,
    `$argon2id$v=19$m=256,m=256,p=1$${tail}`,
    `$argon2id$v=19$m=256,t=1$${tail}`,
    `${good}\n`,
    `${good}$`,
    good.slice(1),
    good.replace('m=', '$m='),
    ...[0, 1, 9, 14, 20, 30, 50].map((length) => good.slice(0, length)),
    '$'.repeat(100_000),
    '\0',
    'plain text',
  ];
  for (const stored of hostile) {
    const begun = await hashesBegunBy(async () => {
      t.same(await passwords.verify('x', stored), WRONG, JSON.stringify(stored.slice(0, 60)));
    });
    t.equal(begun, 1);
  }
  t.same(await passwords.verify('x', good), RIGHT);
  t.same([passwords.running, passwords.waiting], [0, 0]);
});

t.test('parameters whose hashes could not be verified later are refused at the start', (t) => {
  for (const change of [
    { memoryKiB: 262_145 },
    { iterations: 0 },
    { iterations: 21 },
    { parallelism: 17 },
    { memoryKiB: 7.5 },
  ]) {
    t.throws(() => createPasswords({ parameters: { ...CHEAP, ...change }, concurrency: 1, queueMax: 1 }), RangeError);
  }
  t.throws(() => cheap(0), RangeError);
  t.throws(() => cheap(1, Number.NaN), RangeError);
  t.end();
});

t.test('composed and decomposed spellings are one password, and compatibility characters are not', async (t) => {
  const passwords = cheap();
  const composed = await passwords.hash('caf\u00e9 cr\u00e8me');
  const decomposed = await passwords.hash('cafe\u0301 cre\u0300me');
  for (const stored of [composed, decomposed]) {
    t.same(await passwords.verify('caf\u00e9 cr\u00e8me', stored), RIGHT);
    t.same(await passwords.verify('cafe\u0301 cre\u0300me', stored), RIGHT);
    t.same(await passwords.verify('cafe creme', stored), WRONG);
  }
  t.same(await passwords.verify('\uff50assword', await passwords.hash('password')), WRONG);
});

t.test('every character counts: no truncation at 72 bytes, at NUL, or at the end', async (t) => {
  const passwords = cheap();
  for (const [long, other] of [
    ['a'.repeat(256), `${'a'.repeat(255)}b`],
    ['before\0after', 'before\0other'],
    ['trailing ', 'trailing'],
  ] as const) {
    const stored = await passwords.hash(long);
    t.same(await passwords.verify(long, stored), RIGHT);
    t.same(await passwords.verify(other, stored), WRONG);
  }
});

t.test('a text that cannot be a password is not hashed, never matches, and its check has the usual cost', async (t) => {
  const passwords = cheap();
  const empty = await passwords.hash('');
  const replacement = await passwords.hash('\ufffd');
  for (const text of ['a'.repeat(10_240), 'a\u0301\u0316'.repeat(500_000), '\ud800', 'a\udc00b']) {
    await t.rejects(passwords.hash(text), RangeError);
    for (const stored of [empty, replacement, null]) {
      const begun = await hashesBegunBy(async () => t.same(await passwords.verify(text, stored), WRONG));
      t.equal(begun, 1);
    }
  }
  t.same([passwords.running, passwords.waiting], [0, 0]);
});

t.test('sixteen logins in progress at the default parameters leave the event loop free', async (t) => {
  const passwords = createPasswords({
    parameters: { memoryKiB: 19_456, iterations: 2, parallelism: 1 },
    concurrency: 2,
    queueMax: 64,
  });
  const [threadBefore, allBefore] = [process.threadCpuUsage(), process.cpuUsage()];
  await Promise.all(Array.from({ length: 16 }, () => passwords.verify('a password', null)));
  const [thread, all] = [process.threadCpuUsage(threadBefore), process.cpuUsage(allBefore)];
  const [own, whole] = [thread.user + thread.system, all.user + all.system];
  t.ok(own < whole / 8, `this thread took ${own} of the ${whole} microseconds of CPU time`);
});
