// Applies presets to a test's database: the tables that applying can write, presets with small changes, and refusals.
import type { Test } from 'tap';
import { openDatabase } from '../../../src/base/database/db.ts';
import { Problem } from '../../../src/base/errors/problem.ts';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { type Preset, type PresetRole, readPreset } from '../../../src/directory/presets/presets.ts';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';

/** The dependencies of applying a preset, with their own connections. They collect the published revocations. */
export function openDeps(t: Test, { appUrl, systemUrl }: TestDatabase) {
  const db = openDatabase({ appUrl, systemUrl, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  const published: Revocation[] = [];
  const publish = (changes: readonly Revocation[]) => void published.push(...changes);
  return { db, clock: systemClock, random: systemRandom, publish, published };
}

/** A database with the crm preset, and the dependencies of applying a preset. */
export async function openRoles(t: Test) {
  const database = await createDatabase(t);
  return { database, ...openDeps(t, database) };
}

export const CRM = readPreset('crm');

/** Returns the crm preset with changes to some roles. A role with the value null is left out. */
export function crmWith(changes: Readonly<Record<string, Partial<PresetRole> | null>>): Preset {
  const roles = CRM.roles.flatMap((role) => {
    const change = changes[role.name];
    return change === null ? [] : [{ ...role, ...change }];
  });
  return { name: 'crm', roles };
}

const ROLES = 'SELECT *, xmin::text FROM roles ORDER BY id';
export const EVENTS = `SELECT data FROM events WHERE type = 'roles.preset_applied' ORDER BY at`;
export const EPOCHS = 'SELECT id, epoch FROM users ORDER BY id';

/** Returns rows that applying a preset can write: the roles, the events, the epochs of users and the revocations. */
export async function stateOf(database: TestDatabase) {
  return Promise.all([ROLES, EVENTS, EPOCHS, 'SELECT * FROM revocations'].map((text) => database.query(text)));
}

/** Returns the problem that applying raises, and asserts that nothing was written. */
export async function refusal(t: Test, database: TestDatabase, apply: () => Promise<unknown>): Promise<Problem> {
  const before = await stateOf(database);
  const error = await apply().then(
    () => t.fail('the preset was applied'),
    (raised: unknown) => raised,
  );
  t.same(await stateOf(database), before, 'nothing was written');
  if (error instanceof Problem) return error;
  throw error;
}
