// Follows whether the database still stores personal data in clear, for the version before. Also notices a lookup key
// that is not the one of the database: every look-up would find nothing, as if nobody had an account.
import { openLoop } from '../loops/loop.ts';
import type { Log } from '../platform/log.ts';
import { type DataKeys, DataKeysRefused } from '../secrets/data-keys.ts';
import type { Database } from './db.ts';
import { sqlStateOf } from './sql-state.ts';
import { statement } from './statement.ts';

export interface PersonalPhase {
  readonly name: string;
  /** Reads the phase now. Raises DataKeysRefused for a wrong lookup key, and the errors of the database. */
  synchronize(): Promise<void>;
  /** Begins to read the phase every second, until `stop`. */
  start(): void;
  stop(): Promise<void>;
}

export interface PersonalPhaseOptions {
  readonly db: Database;
  readonly keys: DataKeys;
  readonly log: Pick<Log, 'info' | 'warn'>;
}

const EVERY_MS = 1_000;
/** A sealed database stays sealed, unless a backup is restored. It is read at every nth run. */
const SEALED_RUNS = 10;
const READ_ONLY = '25006';

const READ = statement(`SELECT phase, encode(lookup_check, 'base64') AS check FROM personal_data`);
const WRITE_CHECK = statement(
  `UPDATE personal_data SET lookup_check = decode($1, 'base64') WHERE lookup_check IS NULL`,
);

interface PhaseRow {
  readonly phase: 'expanding' | 'sealed';
  readonly check: string | null;
}

/** Reads the phase for `db.personal`, and compares the lookup key. Raises DataKeysRefused for a wrong key. */
export async function readPersonalPhase({ db, keys }: Pick<PersonalPhaseOptions, 'db' | 'keys'>): Promise<void> {
  const { personal } = db;
  const [row] = await db.systemReader().rows<PhaseRow>(READ, []);
  if (!row) throw new Error('The table personal_data is empty');
  personal.notePhase(row.phase === 'sealed');
  // Without the key, every look-up raises an error of its own.
  if (!keys.hasLookupKey()) return;
  const own = personal.lookupCheck();
  const stored = row.check ?? (await writeCheck(db, own));
  const isOwn = stored === null || stored === own;
  personal.noteLookupKey(isOwn);
  if (!isOwn) {
    throw new DataKeysRefused(
      'lookup.jwk in KEYS_DIR/data is not the lookup key of this database: put the file back that belongs to it',
    );
  }
}

/** Stores the check of the first process. Returns the stored check; null while the database stores nothing. */
async function writeCheck(db: Database, own: string): Promise<string | null> {
  try {
    await db.systemReader().rows(WRITE_CHECK, [own]);
  } catch (error) {
    if (sqlStateOf(error) === READ_ONLY) return null;
    throw error;
  }
  const [row] = await db.systemReader().rows<PhaseRow>(READ, []);
  return row?.check ?? null;
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
