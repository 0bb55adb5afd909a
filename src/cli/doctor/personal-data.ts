// The check of `tenantry doctor` on personal data: whether the database still stores any of it unsealed.
import { hasClearValues, readSealing } from '../../admin/personal-data/finish-store.ts';
import { readAll } from '../../admin/personal-data/read-all.ts';
import type { Finding } from '../../base/database/examine.ts';
import type { Invocation } from '../line/invocation.ts';
import { withOperator } from '../line/operator.ts';

export function examinePersonalData(invocation: Invocation): Promise<Finding[]> {
  const name = 'personal data';
  return withOperator(invocation, async ({ db }): Promise<Finding[]> => {
    const { phase, unsealed } = await readSealing(db.systemReader({ bulk: true }));
    if (phase === 'expanding') {
      const detail = `is also stored unsealed, for services of the previous version (${unsealed} rows only unsealed): once none of them runs, run tenantry keys seal`;
      return [{ name, status: 'warn', detail }];
    }
    if (await readAll({ db }, hasClearValues)) {
      return [{ name, status: 'warn', detail: 'some rows still have unsealed values: run tenantry keys seal again' }];
    }
    const detail = 'is sealed; the database refuses the writes of a service of the previous version';
    return [{ name, status: 'ok', detail }];
  });
}
