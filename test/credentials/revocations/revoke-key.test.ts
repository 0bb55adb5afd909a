// A revoked signing key, from the deletion of its file to the refusal in every process.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import t from 'tap';
import { refuseRevokedKeys, revokeSigningKey } from '../../../src/credentials/revocations/revoke-key.ts';
import { createVerifier, VerificationError } from '../../../src/verifier/index.ts';
import { ISSUER } from '../../access/client-authentication/signing.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { partsOf } from '../../support/forge.ts';
import { rounds } from '../../support/thorough.ts';
import { until } from '../../support/until.ts';
import { consume } from '../feed/consumer.ts';
import { openKeyFolders, openWithKeys, publishedBy } from './key-folders.ts';

const kidOf = (token: string) => partsOf(token).header.kid;

/** What the database has about a revoked key. */
async function recorded(database: TestDatabase, kid: string): Promise<unknown> {
  const [revoked, revocations, events] = await Promise.all([
    database.query('SELECT kid FROM revoked_keys WHERE kid = $1', [kid]),
    database.query('SELECT kind, subject::text, state FROM revocations WHERE kid = $1', [kid]),
    database.query("SELECT data, actor_id FROM events WHERE type = 'key.revoked' AND data->>'kid' = $1", [kid]),
  ]);
  return { revoked, revocations, events };
}

const ONCE = (kid: string) => ({
  revoked: [{ kid }],
  // A replica of the previous version reads an unknown kind as a suspension. No organization has this id.
  revocations: [{ kind: 'key', subject: '00000000-0000-0000-0000-000000000000', state: null }],
  events: [{ data: { kid }, actor_id: null }],
});

t.test(
  'a deleted key file revokes the key at replicas that still have the file, at verifiers and in feeds',
  async (t) => {
    const database = await createDatabase(t);
    const keys = await openKeyFolders(t);
    const { older, newer } = keys;
    const b = await openWithKeys(t, database, await keys.copy());
    const a = await openWithKeys(t, database, keys.directory);
    const account = await newAccount(a.api);
    t.equal(kidOf(account.accessToken), newer.kid);
    const permissions = ['revocations:read'];
    const own = await seedClient(database, { organizationId: account.organization.id, permissions });
    const whole = await seedClient(database, { organizationId: null, permissions });
    const ofB = await tokenOfClient(b.app, database, whole.id);
    t.equal(kidOf(ofB), newer.kid);
    const ending = await consume(t, b.url, ofB); // opened with a token that the key signed
    await ending.until(({ event }) => event === 'heartbeat');
    const verifier = createVerifier({
      issuer: ISSUER,
      audience: 'tenantry',
      serviceUrl: b.url,
      revocation: { credentials: { clientId: whole.id, clientSecret: whole.secret }, onStale: 'reject' },
    });
    t.teardown(() => verifier.close());
    const verdict = (token: string) =>
      verifier.verify(token).then(
        () => 'good',
        (error: unknown) => (error instanceof VerificationError ? error.code : String(error)),
      );
    await until(async () => (await verdict(account.accessToken)) === 'good');

    await keys.removeFile(newer);
    await until(async () => (await verdict(account.accessToken)) === 'invalid_token');
    for (const service of [a, b]) {
      await until(async () => (await service.api.get('/me', { token: account.accessToken })).code === 'invalid_token');
      t.same(await publishedBy(service), [older.kid]);
      const refreshed = await service.api.post('/auth/refresh', { refreshToken: account.refreshToken });
      t.equal(kidOf(refreshed.body.data.accessToken), older.kid, 'the session continues with the other key');
      t.equal(await verdict(refreshed.body.data.accessToken), 'good');
    }
    await ending.end();
    t.pass('a feed that was opened with a token of the key ends');
    t.same(await recorded(database, newer.kid), ONCE(newer.kid));
    const told = { kind: 'key', kid: newer.kid };
    for (const { id } of [own, whole]) {
      const token = await tokenOfClient(b.app, database, id);
      t.same((await b.api.get('/revocations', { token })).body.data.events.filter(isOfKey), [told]);
      const frames = await (await consume(t, b.url, token)).until(({ event }) => event === 'heartbeat');
      t.match(
        frames.find(({ event }) => event === 'snapshot')?.data.extended,
        [told],
        'where a verifier of the previous version ignores it',
      );
    }
  },
);

const isOfKey = ({ kind }: { readonly kind: string }) => kind === 'key';

t.test('of many replicas that revoke one key at the same time, one writes the revocation and the event', async (t) => {
  const database = await createDatabase(t);
  const keys = await openKeyFolders(t);
  const services = await Promise.all(Array.from({ length: 4 }, () => openWithKeys(t, database, keys.directory)));
  for (let round = 0; round < rounds(30); round += 1) {
    const kid = `${'k'.repeat(40)}${String(round).padStart(3, '0')}`;
    const locker = new pg.Client({ connectionString: database.adminUrl });
    await locker.connect();
    await locker.query('BEGIN');
    await locker.query('LOCK TABLE revoked_keys IN EXCLUSIVE MODE'); // every revocation waits for this lock
    const revoking = services.map(({ app }) => revokeSigningKey(app.parts, kid));
    await until(async () => {
      const waiting = await database.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND wait_event_type = 'Lock'",
        [database.name],
      );
      return waiting.length >= services.length;
    });
    await locker.query('COMMIT');
    await locker.end();
    t.same((await Promise.all(revoking)).sort(), [false, false, false, true]);
    t.same(await recorded(database, kid), ONCE(kid));
  }
});

t.test(
  'without a usable key a service is not ready and answers 503, never 401, until it gets another key',
  async (t) => {
    const database = await createDatabase(t);
    const keys = await openKeyFolders(t);
    const { api, app } = await openWithKeys(t, database, keys.directory);
    const account = await newAccount(api);
    for (const { kid } of [keys.older, keys.newer]) t.equal(await revokeSigningKey(app.parts, kid), true);
    t.equal(await revokeSigningKey(app.parts, keys.newer.kid), false, 'a repeated revocation changes nothing');
    for (const reply of [
      await api.get('/me', { token: account.accessToken }),
      await api.post('/auth/refresh', { refreshToken: account.refreshToken }),
      await api.get('/.well-known/jwks.json'),
      await api.get('/verify', { token: account.accessToken }),
    ]) {
      t.match(reply, { status: 503, code: 'signing_unavailable' });
      t.ok(reply.headers.get('retry-after'));
    }
    t.match(await api.get('/readyz'), { status: 503, body: { checks: { keys: 'failed' } } });
    const next = await openKeyFolders(t);
    await writeFile(join(keys.directory, 'access', next.newer.file), await next.content(next.newer));
    await app.parts.accessKeys.reload();
    t.equal((await api.get('/readyz')).status, 200);
    t.equal((await api.get('/me', { token: account.accessToken })).code, 'invalid_token');
    const refreshed = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
    t.equal(kidOf(refreshed.body.data.accessToken), next.newer.kid);
  },
);

t.test('a key that was revoked earlier is refused after a start, although its file has come back', async (t) => {
  const database = await createDatabase(t);
  const keys = await openKeyFolders(t);
  const first = await openWithKeys(t, database, keys.directory);
  await revokeSigningKey(first.app.parts, keys.newer.kid);
  await first.app.close();
  // Long after the revocation, only the table of revoked keys has the key.
  await database.query('DELETE FROM revocations');
  const { app, api } = await openWithKeys(t, database, keys.directory);
  await refuseRevokedKeys(app.parts.db, [app.parts.accessKeys, app.parts.refreshKeys]);
  t.same(await publishedBy({ api }), [keys.older.kid]);
  const account = await newAccount(api);
  t.equal(kidOf(account.accessToken), keys.older.kid);
});

t.test('a revoked refresh key ends its sessions at a replica that still has the file', async (t) => {
  const database = await createDatabase(t);
  const keys = await openKeyFolders(t);
  const { api, app } = await openWithKeys(t, database, keys.directory);
  const next = await openKeyFolders(t);
  const account = await newAccount(api);
  const path = join(next.directory, 'refresh', next.refresh.file);
  const { readFile } = await import('node:fs/promises');
  await writeFile(join(keys.directory, 'refresh', '2026-01-01T00-00-00Z.pem'), await readFile(path));
  await app.parts.refreshKeys.reload();
  await revokeSigningKey(app.parts, keys.refresh.kid);
  t.equal((await api.post('/auth/refresh', { refreshToken: account.refreshToken })).status, 401);
  const again = await newAccount(api);
  t.equal(kidOf(again.refreshToken), next.refresh.kid);
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200, 'access tokens of another key stay good');
});

t.test('an organization cannot write revocations of keys', async (t) => {
  const database = await createDatabase(t);
  const client = new pg.Client({ connectionString: database.appUrl });
  await client.connect();
  t.teardown(() => client.end());
  const kid = 'x'.repeat(43);
  for (const sql of [
    `INSERT INTO revoked_keys (kid) VALUES ('${kid}')`,
    `DELETE FROM revoked_keys`,
    `UPDATE revoked_keys SET revoked_at = now()`,
    `INSERT INTO revocations (id, kind, subject, kid)
     VALUES (gen_random_uuid(), 'key', '00000000-0000-0000-0000-000000000000', '${kid}')`,
  ]) {
    await t.rejects(client.query(sql), { code: '42501' });
  }
  for (const wrong of ["'key', NULL", `'session', '${kid}'`, "'key', 'short'"]) {
    await t.rejects(
      database.query(
        `INSERT INTO revocations (id, kind, subject, kid)
         SELECT gen_random_uuid(), kind, '00000000-0000-0000-0000-000000000000', kid FROM (VALUES (${wrong})) v (kind, kid)`,
      ),
      { code: '23514' },
    );
  }
});
