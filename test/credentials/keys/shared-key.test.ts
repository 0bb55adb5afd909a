// A key file is copied into the folder for the other use, while the service runs or before it starts.
import { copyFile, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { ensureDevelopmentKeys } from '../../../src/credentials/keys/development.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';

t.test('a refresh key that is copied to the access keys is never published, and sessions continue', async (t) => {
  const keysDirectory = await mkdtemp(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rm(keysDirectory, { recursive: true, force: true }));
  await ensureDevelopmentKeys(keysDirectory, systemClock);
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database, { KEYS_DIR: keysDirectory });
  const account = await newAccount(api);
  const before = (await api.get('/.well-known/jwks.json')).text;
  const [file = ''] = (await readdir(join(keysDirectory, 'refresh'))).filter((name) => name.endsWith('.pem'));
  const now = systemClock.now().toISOString().slice(0, 19).replaceAll(':', '-');
  await copyFile(join(keysDirectory, 'refresh', file), join(keysDirectory, 'access', `${now}Z.pem`));
  await app.parts.accessKeys.reload();
  t.equal((await api.get('/.well-known/jwks.json')).text, before);
  const refreshed = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
  t.equal(refreshed.status, 200);
  const kid = (token: string) => partsOf(token).header.kid;
  t.equal(kid(refreshed.body.data.accessToken), kid(account.accessToken), 'the key of the newer file signs nothing');
  t.equal(kid(refreshed.body.data.refreshToken), kid(account.refreshToken));
  const again = openService(t, database, { KEYS_DIR: keysDirectory });
  await t.rejects(again, { name: 'SharedKey', message: String(kid(account.refreshToken)) });
});
