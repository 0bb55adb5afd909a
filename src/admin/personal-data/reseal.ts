// Seals old values again with the newest data key, so that an old key is not needed any more. It may be interrupted at
// any time: every value is opened by the key that its bytes name, and the next run continues with what is left.
import type { Database } from '../../base/database/db.ts';
import type { DataKeys } from '../../base/secrets/data-keys.ts';
import { SEALED_COLUMNS, type SealedColumn } from '../../base/secrets/personal.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { readAll } from './read-all.ts';
import { countByKey, listValuesOfOthers, replaceValues } from './reseal-store.ts';

export interface ResealDeps {
  readonly db: Database;
  readonly dataKeys: Pick<DataKeys, 'sealingKey'>;
}

/** The number of values that each data key has sealed. */
export function countSealed({ db }: Pick<ResealDeps, 'db'>): Promise<Map<string, number>> {
  return readAll({ db }, async (tx) => {
    const totals = new Map<string, number>();
    for (const column of SEALED_COLUMNS) {
      for (const { keyId, total } of await countByKey(tx, column)) totals.set(keyId, (totals.get(keyId) ?? 0) + total);
    }
    return totals;
  });
}

/**
 * Seals again, with the current sealing key, every value that another key has sealed. Returns the number of changed
 * values.
 */
export async function reseal(deps: ResealDeps, onValues: (values: number) => void = () => undefined): Promise<number> {
  let changed = 0;
  for (const column of SEALED_COLUMNS) changed += await resealColumn(deps, column, onValues);
  return changed;
}

async function resealColumn(
  { db, dataKeys }: ResealDeps,
  column: SealedColumn,
  onValues: (values: number) => void,
): Promise<number> {
  const { personal } = db;
  let changed = 0;
  for (let after: string | null = NIL_ID; after !== null; ) {
    const from: string = after;
    const { id: keyId } = dataKeys.sealingKey();
    const { values, last } = await listValuesOfOthers(db.systemReader(), column, from, keyId);
    after = last;
    if (values.length === 0) continue;
    const resealed = await personal.opening((open) =>
      values.map(({ id, sealed }) => {
        return { id, before: sealed, sealed: personal.seal(column, id, open(column, id, `s${sealed}`)) };
      }),
    );
    changed += await db.system((tx) => replaceValues(tx, column, resealed));
    onValues(values.length);
  }
  return changed;
}
