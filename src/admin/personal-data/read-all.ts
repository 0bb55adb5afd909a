// Work of commands that reads whole tables. A large table takes longer than a statement of a request may.
import type { Database, SystemTx } from '../../base/database/db.ts';

const READ_MS_MAX = 600_000;

/** Runs work in a transaction whose time limit is long enough to read whole tables. */
export function readAll<T>({ db }: { readonly db: Database }, work: (tx: SystemTx) => Promise<T>): Promise<T> {
  return db.system(work, { timeoutMs: READ_MS_MAX });
}
