// When a key whose file is missing counts as revoked for good, and when it does not.
import t from 'tap';
import { createVanishedKeys, type Found, type GoneKey } from '../../../src/credentials/keys/vanished.ts';
import { keptLog } from './sample-keys.ts';

const KEY = { kid: 'a'.repeat(43), file: '2026-11-01T00-00-00Z.pem' };
const GONE: Found = { isComplete: true, has: () => false, refused: [], canSign: true };

/** Observes KEY with a clock that the test moves. A reading follows each step of 500 ms. */
function begin(revoke: (key: GoneKey) => Promise<unknown> = async () => undefined) {
  const told: GoneKey[] = [];
  const log = keptLog();
  let ms = 0;
  const keys = createVanishedKeys({
    revoke(key) {
      told.push(key);
      return revoke(key);
    },
    log,
    now: () => ms,
  });
  keys.add(KEY);
  keys.take(GONE);
  return {
    told,
    log,
    async read(found: Partial<Found> = {}) {
      ms += 500;
      keys.take({ ...GONE, ...found });
      await new Promise(setImmediate); // the revocation is written meanwhile
    },
  };
}

t.test('a key is revoked once its file was missing at every reading for a second, and only once', async (t) => {
  const { told, read } = begin();
  await read();
  t.same(told, [], 'after half a second');
  await read();
  t.same(told, [KEY], 'after a second');
  for (let reading = 0; reading < 10; reading += 1) await read();
  t.same(told, [KEY]);
});

const mishaps: Record<string, Partial<Found>> = {
  'its file is back': { has: (kid) => kid === KEY.kid },
  'its file is there but cannot be used': { refused: [KEY.file] },
  'the files cannot be listed': { isComplete: false },
  'no other key can sign': { canSign: false },
};
for (const [what, found] of Object.entries(mishaps)) {
  t.test(`a key is not revoked while ${what}`, async (t) => {
    const { told, read } = begin();
    await read();
    for (let reading = 0; reading < 10; reading += 1) await read(found);
    t.same(told, []);
    await read();
    t.same(told, [], 'the second begins again');
    for (let reading = 0; reading < 10; reading += 1) await read();
    t.equal(told.length, what === 'its file is back' ? 0 : 1);
  });
}

t.test('another file that cannot be used does not prevent a revocation', async (t) => {
  const { told, read } = begin();
  for (let reading = 0; reading < 3; reading += 1) await read({ refused: ['2026-12-01T00-00-00Z.pem'] });
  t.same(told, [KEY]);
});

t.test('a revocation that fails is logged once and tried each second until it succeeds', async (t) => {
  let failures = 3;
  const { told, log, read } = begin(async () => {
    if (failures-- > 0) throw new Error('the database is away');
  });
  for (let reading = 0; reading < 20; reading += 1) await read();
  t.equal(told.length, 4);
  t.match(log.lines, [{ level: 'warn', message: /revocation of a key cannot be recorded/, fields: { kid: KEY.kid } }]);
  t.equal(log.lines.length, 1);
});

t.test(
  'while a revocation is written, no second one begins, and a key that comes back is not tried again',
  async (t) => {
    const { promise, reject } = Promise.withResolvers<void>();
    const { told, read } = begin(() => promise);
    for (let reading = 0; reading < 10; reading += 1) await read();
    t.equal(told.length, 1);
    await read({ has: () => true });
    reject(new Error('the database is away'));
    for (let reading = 0; reading < 10; reading += 1) await read();
    t.equal(told.length, 1);
  },
);
