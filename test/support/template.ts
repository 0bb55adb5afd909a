// The database that every test's own one is copied from: migrated, with the system roles, without a user.
import pg from 'pg';
import { systemClock } from '../../src/platform/clock.ts';
import { openDatabase } from '../../src/platform/db.ts';
import { openLog } from '../../src/platform/log.ts';
import { prepareDatabase } from '../../src/platform/open.ts';
import { systemRandom } from '../../src/platform/random.ts';
import { applyPreset } from '../../src/roles/apply-preset.ts';
import { readPreset } from '../../src/roles/presets.ts';

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
  await applyPreset({ db, clock: systemClock, random: systemRandom }, readPreset('crm'));
  await db.close();
}
