// By default, the database of a test is a copy of this template. The template is migrated and has the system roles, but
// no user.
import pg from 'pg';
import { openDatabase } from '../../src/base/database/db.ts';
import { prepareDatabase } from '../../src/base/database/open.ts';
import { systemClock } from '../../src/base/platform/clock.ts';
import { openLog } from '../../src/base/platform/log.ts';
import { systemRandom } from '../../src/base/platform/random.ts';
import { applyPreset } from '../../src/directory/presets/apply.ts';
import { readPreset } from '../../src/directory/presets/presets.ts';

export const TEMPLATE = 'tenantry_template';
export const MIGRATIONS = new URL('../../prisma/migrations', import.meta.url).pathname;

export async function buildTemplate(ownerUrl: string, adminUrl: string): Promise<void> {
  const owner = new URL(ownerUrl);
  const admin = new pg.Client({ connectionString: adminUrl });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${TEMPLATE} OWNER ${admin.escapeIdentifier(decodeURIComponent(owner.username))}`);
  await admin.end();
  owner.pathname = `/${TEMPLATE}`;
  const urls = await prepareDatabase({
    ownerUrl: owner.href,
    appUrl: undefined,
    systemUrl: undefined,
    migrationsDirectory: MIGRATIONS,
  });
  const log = openLog({ level: 'warn', pretty: false });
  const db = openDatabase({ ...urls, poolSize: 1, log });
  await applyPreset({ db, clock: systemClock, random: systemRandom, publish: () => undefined }, readPreset('crm'));
  await db.close();
}
