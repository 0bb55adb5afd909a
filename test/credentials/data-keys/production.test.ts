// In production, the service does not start without the keys of personal data, and seals nothing with development keys.
import { mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { generateKeyFile } from '../../../src/credentials/keys/generate.ts';
import { writeDataKeys } from '../../support/data-keys.ts';
import { createDatabase } from '../../support/database.ts';
import { spawnService } from '../../support/service.ts';
import { folderOf } from '../keys/sample-keys.ts';

async function startIn(t: Test, KEYS_DIR: string): Promise<string> {
  const { ownerUrl: DATABASE_URL } = await createDatabase(t);
  const production = { NODE_ENV: 'production', PUBLIC_URL: 'https://auth.example.com', RATE_LIMIT_ENABLED: 'true' };
  const refused = await spawnService(t, { DATABASE_URL, KEYS_DIR, ...production }).catch((error: Error) => error);
  if (!(refused instanceof Error)) throw new Error('the service has started');
  return refused.message;
}

async function keysWithoutData(t: Test): Promise<string> {
  const directory = await folderOf(t);
  for (const use of ['access', 'refresh']) {
    await generateKeyFile({ directory: join(directory, use), activeFrom: systemClock.now() });
  }
  return directory;
}

t.test('a production service without data keys does not start, and says how to make them', async (t) => {
  const directory = await keysWithoutData(t);
  mkdirSync(join(directory, 'data'));
  const message = await startIn(t, directory);
  t.match(message, 'The keys of personal data are not complete');
  t.match(message, 'tenantry keys generate');
});

t.test('a production service does not seal with a key that a development machine has made', async (t) => {
  const directory = await keysWithoutData(t);
  writeDataKeys(directory);
  const data = join(directory, 'data');
  renameSync(join(data, '2026-01-01T00-00-00Z.jwk'), join(data, '2026-01-01T00-00-00Z-development.jwk'));
  t.match(await startIn(t, directory), /2026-01-01T00-00-00Z-development.jwk is a development key/);
});
