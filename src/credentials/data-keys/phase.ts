// Follows whether the database still stores unsealed personal data, for the previous version. Also notices a lookup key
// that is not the one of the database: with such a key, every lookup would find nothing, as if nobody had an account.
import type { Database } from '../../base/database/db.ts';
import { openLoop } from '../../base/loops/loop.ts';
import type { Log } from '../../base/platform/log.ts';
import { type DataKeys, DataKeysRefused } from '../../base/secrets/data-keys.ts';
import { claimCheck, readPhase } from './phase-store.ts';

export interface PersonalPhase {
  readonly name: string;
  /** Reads the phase now. Raises DataKeysRefused for a wrong lookup key, and the errors of the database. */
  synchronize(): Promise<void>;
  /** Begins to read the phase every second, or every ten seconds once the database is sealed, until `stop`. */
  start(): void;
  stop(): Promise<void>;
}

export interface PersonalPhaseOptions {
  readonly db: Database;
  readonly keys: DataKeys;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

const EVERY_MS = 1_000;
/**
 * A sealed database stays sealed, unless a backup is restored. So the loop then reads the phase only once in this many
 * runs.
 */
const SEALED_RUNS = 10;

/** Reads the phase for `db.personal`, and compares the lookup key. Raises DataKeysRefused for a wrong key. */
export async function readPersonalPhase({ db, keys }: Pick<PersonalPhaseOptions, 'db' | 'keys'>): Promise<void> {
  const { personal } = db;
  const row = await readPhase(db.systemReader());
  personal.notePhase(row.phase === 'sealed');
  // Without the key, every lookup raises an error of its own.
  if (!keys.hasLookupKey()) return;
  const own = personal.lookupCheck();
  const stored = row.check ?? (await claimCheck(db.systemReader(), own));
  const isOwn = stored === null || stored === own;
  personal.noteLookupKey(isOwn);
  if (!isOwn) {
    throw new DataKeysRefused(
      'lookup.jwk in KEYS_DIR/data is not the lookup key of this database: put the file back that belongs to it',
    );
  }
}

export function openPersonalPhase(options: PersonalPhaseOptions): PersonalPhase {
  const { personal } = options.db;
  let skipped = 0;
  const loop = openLoop({
    name: 'phase of personal data',
    everyMs: EVERY_MS,
    failing: 'the phase of personal data cannot be read: values are written as before',
    working: 'the phase of personal data is read again',
    log: options.log,
    async work() {
      skipped += 1;
      if (personal.isSealed && skipped < SEALED_RUNS) return;
      skipped = 0;
      await readPersonalPhase(options);
    },
  });
  return {
    name: loop.name,
    synchronize: () => readPersonalPhase(options),
    start: loop.start,
    stop: loop.stop,
  };
}
