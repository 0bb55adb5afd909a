// Ends the time in which the previous version and this one both run: seals what is left, sets the phase, after which
// nothing is stored unsealed, and empties the unsealed columns. Each step may be repeated after a crash.
import { setTimeout as pause } from 'node:timers/promises';
import type { Database } from '../../base/database/db.ts';
import { sqlStateOf } from '../../base/database/sql-state.ts';
import { OperatorError } from '../../base/errors/operator-error.ts';
import type { Random } from '../../base/platform/random.ts';
import { sealForPerson } from '../../base/secrets/person-keys.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { EVENTS_AT_ONCE, listClearNetworks, sealEventNetwork } from './event-store.ts';
import { sealRows } from './fill.ts';
import { CLEARED_TABLES, clearSlice, markSealed, readSealing } from './finish-store.ts';
import { readAll } from './read-all.ts';

/** Rows are written unsealed all the time, so a service of the previous version runs. */
export class StillInClear extends OperatorError {
  override readonly name = 'StillInClear';
}

const ROUNDS_MAX = 10;
const PAUSE_MS = 500;
const LOCK_NOT_AVAILABLE = '55P03';

export interface FinishDeps {
  readonly db: Database;
  readonly random: Random;
}

export interface Finishing {
  /** Called with the number of rows that were looked at. */
  readonly onRows?: (rows: number) => void;
}

/**
 * Seals everything. From then on nothing is stored unsealed. Raises StillInClear. Returns the number of emptied rows.
 */
export async function finishSealing(deps: FinishDeps, { onRows = () => undefined }: Finishing = {}): Promise<number> {
  await reachSealed(deps, onRows);
  deps.db.personal.notePhase(true);
  await sealEvents(deps);
  return clearColumns(deps, onRows);
}

async function reachSealed({ db }: { readonly db: Database }, onRows: (rows: number) => void): Promise<void> {
  for (let round = 1; ; round += 1) {
    if ((await readSealing(db.systemReader({ bulk: true }))).phase === 'sealed') return;
    const isWhole = await sealRows({ db }, { onSlice: onRows });
    if (isWhole && (await trySeal(db))) return;
    if (round === ROUNDS_MAX) {
      throw new StillInClear(
        'Unsealed rows are being added all the time: stop every service of the previous version, then run this again',
      );
    }
    await pause(PAUSE_MS); // another process seals at the moment, or a transaction holds a lock
  }
}

async function trySeal(db: Database): Promise<boolean> {
  try {
    return await db.system(markSealed);
  } catch (error) {
    if (isLockTimeout(error)) return false;
    throw error;
  }
}

function isLockTimeout(error: unknown): boolean {
  const { cause } = error as { cause?: unknown };
  return [error, cause].some((each) => sqlStateOf(each) === LOCK_NOT_AVAILABLE);
}

async function sealEvents({ db, random }: FinishDeps): Promise<void> {
  for (let after: string | null = NIL_ID; after !== null; ) {
    const from: string = after;
    after = await readAll({ db }, async (tx) => {
      const events = await listClearNetworks(tx, from);
      for (const event of events) {
        const value = { random, place: `events.network:${event.id}`, text: event.network };
        await sealEventNetwork(tx, event, sealForPerson(tx.personal, value));
      }
      return events.length === EVENTS_AT_ONCE ? (events.at(-1)?.id ?? null) : null;
    });
  }
}

async function clearColumns({ db }: { readonly db: Database }, onRows: (rows: number) => void): Promise<number> {
  let emptied = 0;
  for (let table = 0; table < CLEARED_TABLES; table += 1) {
    for (let after: string | null = NIL_ID; after !== null; ) {
      const from: string = after;
      const { last, rows, cleared } = await db.system((tx) => clearSlice(tx, table, from));
      emptied += cleared;
      onRows(rows);
      after = last;
    }
  }
  return emptied;
}
