// `tenantry restore` after a backup has been restored: no earlier token works any more, and every user can sign in
// again.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { endEverything } from '../../../src/admin/restore/restore.ts';
import { Problem } from '../../../src/base/errors/problem.ts';
import { principalOf } from '../../../src/protocol/caller.ts';
import type { AccessClaims } from '../../../src/protocol/claims.ts';
import { createRevocationMap } from '../../../src/protocol/revocation-map.ts';
import { freshEmail, openInviting, registering } from '../../directory/invitations/inviting.ts';
import { createDatabase, endConnections, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { partsOf } from '../../support/forge.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { countRows } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';
import { until } from '../../support/until.ts';

/** Copies the database, as a backup would. No connection may use the database during the copy. */
async function backup(t: Test, database: TestDatabase): Promise<TestDatabase> {
  const elsewhere = await createDatabase(t);
  await endConnections(elsewhere, database.name);
  return createDatabase(t, database.name);
}

const seconds = (date: Date) => Math.floor(date.getTime() / 1000);

t.test('after tenantry restore no token from before the restore works', async (t) => {
  const database = await createDatabase(t);
  const first = await openService(t, database);
  const [kept, gone] = [await newAccount(first.api), await newAccount(first.api)];
  const { id: clientId } = await seedClient(database, {
    organizationId: kept.organization.id,
    permissions: ['revocations:read'],
  });
  const clientToken = await tokenOfClient(first.app, database, clientId);
  await first.app.close();
  const restored = await backup(t, database);

  // The backup does not contain the changes from now on.
  const lost = await openService(t, database);
  await lost.api.post('/auth/logout', { refreshToken: gone.refreshToken });
  const later = await lost.api.post('/auth/login', { email: kept.email, password: kept.password });
  const stranger = await newAccount(lost.api);
  const administrator = await newAdministrator(lost);
  await lost.api.post(`/admin/organizations/${kept.organization.id}/suspend`, undefined, {
    token: administrator.accessToken,
  });
  await database.query('UPDATE users SET epoch = epoch + 1 WHERE id = $1', [kept.userId]);
  const verifier = createRevocationMap(() => performance.now() / 1000, 960);
  await lost.app.parts.revocations.synchronize();
  for (const event of lost.app.parts.revocations.events()) verifier.add(event);
  verifier.add({ kind: 'user', sub: kept.userId, epoch: 7 });
  verifier.add({ kind: 'membership', sub: kept.userId, org: kept.organization.id, epoch: 7 });
  verifier.add({ kind: 'role', org: kept.organization.id, role: 'owner', epoch: 7 });
  verifier.add({ kind: 'client', client_id: clientId, epoch: 7 });
  const [organization] = [...lost.app.parts.revocations.events()].filter(({ kind }) => kind === 'organization');
  t.match(organization, { state: 'suspended' });
  await lost.app.close();

  const service = await openService(t, restored);
  const { api, app } = service;
  await app.parts.revocations.synchronize();
  t.equal((await api.get('/me', { token: gone.accessToken })).status, 200, 'a restored backup undoes a logout');
  const [{ now } = { now: new Date(0) }] = await restored.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const restoredAt = new Date(Math.ceil(now.getTime() / 1000) * 1000);
  await until(() => Date.now() > restoredAt.getTime());
  const between = await newAccount(api);

  const before = await countRows(restored, 'revocations');
  const counts = await endEverything(app.parts, { restoredAt });
  t.same(counts, { sessions: 2, users: 3, clients: 1, invitations: 0 });
  t.equal(await countRows(restored, 'revocations'), before + 1, 'one revocation ends all tokens');
  for (const [who, { accessToken, refreshToken }] of Object.entries({ kept, gone, later: later.body.data, stranger })) {
    const access = await api.get('/me', { token: accessToken });
    t.equal(access.status, 401, `${who}: access token`);
    const refresh = await api.post('/auth/refresh', { refreshToken });
    t.equal(refresh.status, 401, `${who}: refresh token`);
    t.equal((await api.post('/auth/logout', { refreshToken })).status, 204, `${who}: logout`);
  }
  t.equal(
    (await api.post('/auth/refresh', { refreshToken: later.body.data.refreshToken })).code,
    'invalid_refresh_token',
  );
  t.equal((await api.get('/revocations', { token: clientToken })).status, 401, 'the token of a client');
  t.equal((await api.get('/me', { token: between.accessToken })).status, 200, 'tokens issued afterwards work');
  t.equal((await api.post('/auth/refresh', { refreshToken: between.refreshToken })).status, 200);

  const other = await openService(t, restored);
  await other.app.parts.revocations.synchronize();
  t.equal((await other.api.get('/me', { token: stranger.accessToken })).status, 401, 'every replica refuses the token');
  t.equal((await other.api.get('/me', { token: between.accessToken })).status, 200);

  const again = await api.post('/auth/login', { email: kept.email, password: kept.password });
  t.equal(again.status, 200, 'every user can sign in again');
  const token = again.body.data.accessToken;
  t.equal((await other.api.get('/organizations/current', { token })).status, 200);
  // Verifiers and replicas may remember events that the backup does not contain. They must still accept new tokens.
  verifier.add({ kind: 'everything', not_before: seconds(restoredAt) });
  const { claims } = partsOf(token);
  const judged = principalOf(claims as unknown as AccessClaims);
  t.match(judged, { roles: ['owner'], rolesEpoch: Number });
  t.equal(verifier.judge(judged), null);
  const fresh = partsOf(await tokenOfClient(app, restored, clientId)).claims;
  const client = { id: clientId, epoch: Number(fresh.epoch), issuedAt: Number(fresh.iat) };
  t.equal(verifier.judge({ ...client, organizationId: kept.organization.id }), null);
});

t.test('an invitation from before the restore cannot be used until it is sent again', async (t) => {
  const { service, api, owner, invited } = await openInviting(t);
  const email = freshEmail();
  const { id, token } = await invited(email);
  const { app } = service;
  t.match(await endEverything(app.parts, { restoredAt: new Date() }), { invitations: 1 });
  t.equal((await api.post('/invitations/accept', registering(token))).code, 'invitation_invalid');
  const login = await api.post('/auth/login', { email: owner.email, password: owner.password });
  const sent = await api.post(`/invitations/${id}/resend`, undefined, { token: login.body.data.accessToken });
  t.equal(sent.status, 200);
});

t.test('a restore is done completely or not at all', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  await newAccount(api);
  await seedClient(database, { organizationId: null });
  const state = async () =>
    Promise.all(
      ['users', 'clients', 'sessions', 'invitations', 'revocations', 'events'].map((table) =>
        database.query(`SELECT *, xmin::text FROM ${table} ORDER BY id`),
      ),
    );
  const before = await state();
  t.same(await endEverything(app.parts, { restoredAt: new Date(), dryRun: true }), {
    ...{ sessions: 1, users: 1, clients: 1, invitations: 0 },
  });
  t.same(await state(), before, 'a dry run changes nothing');
  await database.query(`ALTER TABLE events ADD CONSTRAINT no_event CHECK (type <> 'installation.recovered')`);
  await t.rejects(endEverything(app.parts, { restoredAt: new Date() }));
  t.same(await state(), before, 'a failure at the last step has changed nothing');
  await database.query('ALTER TABLE events DROP CONSTRAINT no_event');
  await t.rejects(endEverything(app.parts, { restoredAt: new Date(Date.now() + 60_000) }), Problem);
  t.same(await state(), before, 'an instant in the future is refused and changes nothing');
  await endEverything(app.parts, { restoredAt: new Date() });
  const events = await database.query(`SELECT type, data FROM events WHERE type = 'installation.recovered'`);
  t.match(events, [{ data: { sessions: 1, users: 1, clients: 1, invitations: 0 } }]);
  await endEverything(app.parts, { restoredAt: new Date() });
  t.match(await database.query('SELECT min(epoch) AS epoch FROM users'), [{ epoch: 2_000_000 }], 'it can be repeated');
});

t.test('a sign-in in progress does not bypass the restore', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  const { userId } = await newAccount(api);
  const signIn = await openTransaction(t, database);
  const sessionId = randomUUID();
  await signIn.query(
    `INSERT INTO sessions (id, user_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed, confirmed_at)
     SELECT $1, $2, '{pwd}', now(), now(), now() + interval '1 day', now() + interval '1 day', $1, now()`,
    [sessionId, userId],
  );
  const [{ now } = { now: new Date() }] = await database.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const recovered = endEverything(app.parts, { restoredAt: new Date(now) });
  await waiters(database, 1);
  await signIn.query('COMMIT');
  t.match(await recovered, { sessions: 2 });
  t.match(await database.query('SELECT revoked_reason FROM sessions WHERE id = $1', [sessionId]), [
    { revoked_reason: 'backup_restored' },
  ]);
});

t.test('a user whose rights changed after the backup has the rights from the backup', async (t) => {
  const database = await createDatabase(t);
  const { app, api } = await openService(t, database);
  const { userId, organization } = await newAccount(api);
  await app.parts.revocations.synchronize();
  const held = async () => (await app.parts.access.grants(organization.id, [userId])).get(userId)?.assignments.length;
  t.equal(await held(), 1);
  // As when a database is replaced by its backup, no process is informed of this change.
  await database.query('DELETE FROM role_assignments WHERE user_id = $1', [userId]);
  t.equal(await held(), 1, 'remembered');
  await endEverything(app.parts, { restoredAt: new Date() });
  t.equal(await held(), 0);
});

// Each pair is the first statement of a transaction, and the statement that follows while the restore waits. The
// transactions of the service lock the rows of these tables in the same orders.
const ORDERS = {
  'a change of members locks the organization, then writes the user': [
    'SELECT 1 FROM organizations FOR NO KEY UPDATE',
    'UPDATE users SET epoch = epoch + 1',
  ],
  'a change of an account locks the session, then writes the user': [
    'SELECT 1 FROM sessions FOR SHARE',
    'UPDATE users SET epoch = epoch + 1',
  ],
  'a registration writes the user, then locks the organization': [
    'UPDATE users SET epoch = epoch + 1',
    'SELECT 1 FROM organizations FOR KEY SHARE',
  ],
  'a sign-in locks the user, then writes the session': [
    'SELECT 1 FROM users FOR SHARE',
    'UPDATE sessions SET last_seen_at = now()',
  ],
} as const;

for (const [order, [first, second]] of Object.entries(ORDERS)) {
  t.test(`a restore causes no deadlock when ${order}`, async (t) => {
    const database = await createDatabase(t);
    // PostgreSQL ends no deadlock during the test, so only the order of the locks prevents one.
    await database.query(`ALTER DATABASE "${database.name}" SET deadlock_timeout = '10min'`);
    const { app, api } = await openService(t, database);
    await newAccount(api);
    const change = await openTransaction(t, database);
    await change.query("SET LOCAL lock_timeout = '20s'");
    await change.query(first);
    const restored = endEverything(app.parts, { restoredAt: new Date() });
    await waiters(database, 1);
    await change.query(second);
    await change.query('COMMIT');
    t.match(await restored, { sessions: 1, users: 1 });
  });
}
