// A client that knows more than the database proves that the database has lost changes: a token that is newer than its
// session, a token with a higher epoch, a client without a row. The service notices the failover by such a request, and
// neither ends the session nor judges the token nor calls the client wrong.
import t, { type Test } from 'tap';
import { acceptDatabase } from '../../../src/admin/restore/restore.ts';
import { post } from '../../access/oauth/calls.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { openService } from '../../support/service.ts';
import { loseSession, promote } from './set-back.ts';

const LOST_CHANGES = {
  status: 503,
  body: { error: 'temporarily_unavailable', error_description: /may have lost changes/ },
};

async function open(t: Test) {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const { api, app } = service;
  await app.parts.revocations.synchronize();
  const [account, ended] = [await newAccount(api), await newAccount(api)];
  await api.post('/auth/logout', { refreshToken: ended.refreshToken });
  const client = await seedClient(database, { organizationId: null });
  /** A failover. This process knows a logout that the database lacks, and has not noticed the failover yet. */
  const failOver = async () => {
    await loseSession(database, ended);
    await promote(database);
  };
  const refresh = async (refreshToken: string) => {
    const { status, code, body } = await api.post('/auth/refresh', { refreshToken });
    return { status, code, tokens: body.data };
  };
  const introspect = (token: string) => post(api, '/oauth/introspect', { token }, client);
  const accept = async () => {
    await acceptDatabase(app.parts);
    await app.parts.revocations.synchronize();
  };
  return { database, service, api, account, client, failOver, refresh, introspect, accept };
}

t.test('a refresh token that is newer than its session does not end the session as reused', async (t) => {
  const { database, account, failOver, refresh, accept } = await open(t);
  const first = await refresh(account.refreshToken);
  const [row] = await database.query<{ confirmed: string; successor: string }>(
    'SELECT confirmed, previous, successor FROM sessions WHERE id = $1',
    [account.sessionId],
  );
  const second = await refresh(first.tokens.refreshToken);
  t.equal(second.status, 200);
  await database.query('UPDATE sessions SET confirmed = $2, previous = NULL, successor = $3 WHERE id = $1', [
    account.sessionId,
    row?.confirmed,
    row?.successor,
  ]);
  await failOver();
  t.match(await refresh(second.tokens.refreshToken), { status: 503, code: 'database_set_back' });
  const endOf = () => database.query('SELECT revoked_reason FROM sessions WHERE id = $1', [account.sessionId]);
  t.strictSame(await endOf(), [{ revoked_reason: null }]);
  const events = "SELECT 1 FROM events WHERE type = 'session.reuse_detected'";
  t.strictSame(await database.query(events), []);
  await accept();
  t.match(await refresh(second.tokens.refreshToken), { status: 401, code: 'refresh_token_reused' });
  t.strictSame(await endOf(), [{ revoked_reason: 'reuse_detected' }], 'once nothing is in doubt, it ends');
});

t.test('while other sessions are in doubt, a reused token ends a session that began later', async (t) => {
  const { database, service, api, account, failOver, refresh } = await open(t);
  await failOver();
  await service.app.parts.revocations.synchronize();
  await database.query("UPDATE database_lineage SET doubted_at = doubted_at - interval '1 minute'");
  await service.app.parts.revocations.synchronize();
  const { email, password } = account;
  const opened = (await api.post('/auth/login', { email, password })).body.data;
  const { tokens } = await refresh(opened.refreshToken);
  await refresh(tokens.refreshToken);
  await database.query("UPDATE sessions SET confirmed_at = confirmed_at - interval '1 hour'");
  t.match(await refresh(opened.refreshToken), { status: 401, code: 'refresh_token_reused' });
});

/** Sets this epoch in all rows of the column's table, without the trigger that allows epochs only to increase. */
const setEpoch = (database: TestDatabase, column: string, epoch: number) => {
  const [table, name] = column.split('.');
  return database.query(
    `BEGIN; SET LOCAL session_replication_role = replica; UPDATE ${table} SET ${name} = ${epoch}; COMMIT`,
  );
};

// Whether the token is active after an operator has accepted the database.
const AFTERWARDS = {
  'users.epoch': false,
  'memberships.epoch': true,
  'organizations.roles_epoch': true,
  'clients.epoch': false,
};

for (const [column, active] of Object.entries(AFTERWARDS)) {
  t.test(`a token with a higher epoch than ${column} is not judged`, async (t) => {
    const { database, service, account, client, failOver, refresh, introspect, accept } = await open(t);
    await setEpoch(database, 'users.epoch', 5);
    await setEpoch(database, column, 5);
    const token =
      column === 'clients.epoch'
        ? await tokenOfClient(service.app, database, client.id)
        : (await refresh(account.refreshToken)).tokens.accessToken;
    t.match((await introspect(token)).body, { active: true });
    await setEpoch(database, column, 4);
    await failOver();
    t.match(await introspect(token), LOST_CHANGES);
    await accept();
    t.match((await introspect(token)).body, { active });
  });
}

for (const path of ['/oauth/token', '/oauth/introspect', '/oauth/revoke']) {
  t.test(`the first request of a client that the database has lost is not called wrong: ${path}`, async (t) => {
    const { database, api, account, client, failOver, accept } = await open(t);
    const form = path === '/oauth/token' ? { grant_type: 'client_credentials' } : { token: account.accessToken };
    await failOver();
    await database.query('DELETE FROM clients WHERE id = $1', [client.id]);
    t.match(await post(api, path, form, client), LOST_CHANGES);
    await accept();
    t.equal((await post(api, path, form, client)).status, 401);
  });
}
