// Opens a database with a user, and makes and uses one-time tokens without the features that mail them.
import type { Test } from 'tap';
import { type Database, openDatabase } from '../../../src/base/database/db.ts';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { consumeCode, consumeToken } from '../../../src/credentials/one-time/consume.ts';
import { type CreatedOneTime, createOneTime } from '../../../src/credentials/one-time/create.ts';
import type { Purpose } from '../../../src/credentials/one-time/purposes.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { seedPerson } from '../../support/fixtures/people.ts';
import { testPersonal } from '../../support/personal.ts';

export interface Issuing {
  readonly database: TestDatabase;
  readonly db: Database;
  readonly userId: string;
  create<For extends Purpose>(purpose: For, how?: How): Promise<CreatedOneTime<For>>;
  /** Returns the id of the user to whom the token belonged, or null if the token is refused. */
  consume(purpose: Purpose, token: string): Promise<string | null>;
  guess(purpose: Purpose, code: string, userId?: string): Promise<string | null>;
}

interface How {
  readonly userId?: string;
  readonly email?: string;
  readonly aboutAt?: Date;
}

const BOUNDS = { statementMs: 100_000, acquireMs: 100_000, transactionsAtOnceMax: Number.POSITIVE_INFINITY };

export async function openIssuing(t: Test): Promise<Issuing> {
  const database = await createDatabase(t);
  const log = openLog({ level: 'silent', pretty: false });
  const { appUrl, systemUrl } = database;
  const db = openDatabase({ appUrl, systemUrl, poolSize: 20, log, personal: testPersonal, bounds: BOUNDS });
  t.teardown(() => db.close());
  const { userId } = await seedPerson(database);
  const deps = { random: systemRandom, clock: systemClock };
  return {
    database,
    db,
    userId,
    create(purpose, { userId: owner = userId, email = 'Ada@example.com', aboutAt } = {}) {
      const address = { address: email, key: email.toLowerCase() };
      const asked = { userId: owner, purpose, address, ...(aboutAt && { aboutAt }) };
      return db.system((tx) => createOneTime(deps, tx, asked));
    },
    consume: (purpose, token) => db.system(async (tx) => (await consumeToken(tx, purpose, token))?.userId ?? null),
    guess: (purpose, code, owner = userId) =>
      db.system(async (tx) => (await consumeCode(tx, purpose, owner, code))?.userId ?? null),
  };
}

/** Eight digits that are not this code. */
export function otherCode(code: string, by = 1): string {
  return String((Number(code) + by) % 10 ** 8).padStart(8, '0');
}
