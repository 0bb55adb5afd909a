// A database without its keys shows no personal data of a registration that waits, and a newer data key seals it again.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { ensureDevelopmentKeys } from '../../../src/credentials/keys/development.ts';
import { cliOn } from '../../cli/command-line.ts';
import { addDataKey, writeDataKeys } from '../../support/data-keys.ts';
import { openRegistering, PASSWORD } from './registering.ts';

const KEYS_DIR = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
t.teardown(() => rmSync(KEYS_DIR, { recursive: true, force: true }));
await ensureDevelopmentKeys(KEYS_DIR, systemClock);
writeDataKeys(KEYS_DIR);
const { database, pending, verify, signIn } = await openRegistering(t, { KEYS_DIR });

t.test('a dump has no e-mail, name, organization, password, token or code of a registration', async (t) => {
  const word = () => `canary${randomBytes(6).toString('hex')}`;
  const typed = { name: `Name ${word()}`, organizationName: `Company ${word()}`, password: `pass ${word()} word` };
  const { email, token, code, registrationId } = await pending(`${word()}@example.com`, typed);
  const rows = await database.query<{ row: string }>('SELECT r::text AS row FROM registrations r');
  const mails = await database.query<{ row: string }>('SELECT o::text AS row FROM outbox o');
  const dump = [...rows, ...mails].map(({ row }) => row).join('\n');
  t.ok(dump.includes(registrationId), 'the dump has the row');
  const words = [email, ...Object.values(typed)].map((text) => /canary[0-9a-f]+/.exec(text)?.[0] ?? '');
  for (const value of [...words, token, code, `${registrationId} ${code}`]) {
    const bytes = Buffer.from(value);
    for (const form of [value, bytes.toString('hex'), bytes.toString('base64').slice(0, -4)]) {
      t.notOk(dump.includes(form), `${value}: ${form}`);
    }
  }
  t.notOk(dump.includes(Buffer.from(token, 'base64url').toString('hex')), 'the bits of the token');
});

t.test('a registration is sealed again with a newer key, without which the old one cannot be removed', async (t) => {
  const { email, token } = await pending(undefined, { organizationName: 'Sealed Company' });
  const newest = addDataKey(KEYS_DIR);
  const cli = cliOn(database, { KEYS_DIR });
  t.match((await cli('keys', 'prune', '--use', 'data')).stdout, /data: kept .*keys reseal/);
  const resealed = await cli('keys', 'reseal');
  t.equal(resealed.status, 0, resealed.stderr);
  t.same(
    await database.query(
      `SELECT DISTINCT encode(substr(v.sealed, 1, 4), 'hex') AS key FROM registrations r,
       unnest(ARRAY[r.email_sealed, r.name_sealed, r.organization_sealed]) AS v (sealed) WHERE v.sealed IS NOT NULL`,
    ),
    [{ key: newest }],
  );
  t.equal((await verify({ token, password: PASSWORD })).status, 200);
  t.match((await signIn(email)).body.data, {
    user: { email, name: 'Ada Lovelace' },
    organization: { name: 'Sealed Company' },
  });
});
