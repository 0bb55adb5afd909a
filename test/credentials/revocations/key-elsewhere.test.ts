// A signing key that another replica has just revoked. Within the second before this replica learns of it, everything
// that asks PostgreSQL for the current state of a token also asks about its key.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { revokeSigningKey } from '../../../src/credentials/revocations/revoke-key.ts';
import { post } from '../../access/oauth/calls.ts';
import { createDatabase } from '../../support/database.ts';
import { seedClient, tokenOfClient } from '../../support/fixtures/clients.ts';
import { seedMembership, seedOrganization } from '../../support/fixtures/people.ts';
import { furtherTeam } from '../../support/fixtures/team.ts';
import { partsOf } from '../../support/forge.ts';
import { openKeyFolders, openWithKeys } from './key-folders.ts';

const WIDE = { name: 'exporter', permissions: ['*:*'] };
const REFUSED = { status: 401, code: 'invalid_token' };

async function open(t: Test) {
  const database = await createDatabase(t);
  const keys = await openKeyFolders(t);
  const here = await openWithKeys(t, database, keys.directory);
  const elsewhere = await openWithKeys(t, database, await keys.copy());
  await elsewhere.app.parts.revocations.close(); // this replica receives no revocations from now on
  const team = await furtherTeam(database, here.api);
  const owner = await team.join('owner');
  const client = await seedClient(database, { organizationId: team.organization.id, permissions: ['deals:read'] });
  const introspect = (token: string) => post(elsewhere.api, '/oauth/introspect', { token }, client);
  const revoke = (token: string) => revokeSigningKey(here.app.parts, String(partsOf(token).header.kid));
  const count = async (table: string) => (await database.query(`SELECT 1 FROM ${table}`)).length;
  return { ...team, database, here, api: elsewhere.api, elsewhere, owner, client, introspect, revoke, count };
}

t.test('introspection calls no token active whose key was revoked', async (t) => {
  const { database, elsewhere, owner, client, introspect, revoke } = await open(t);
  const ofClient = await tokenOfClient(elsewhere.app, database, client.id);
  for (const token of [owner.token, owner.refreshToken, ofClient]) {
    t.match((await introspect(token)).body, { active: true });
  }
  await revoke(owner.token);
  t.match((await introspect(owner.refreshToken)).body, { active: true }, 'a token of another key stays active');
  await revoke(owner.refreshToken);
  for (const token of [owner.token, owner.refreshToken, ofClient]) {
    t.strictSame((await introspect(token)).body, { active: false });
  }
});

t.test('a refresh token whose key was revoked is not exchanged, and does not end its session', async (t) => {
  const { database, api, owner, revoke } = await open(t);
  const rows = () => database.query('SELECT * FROM sessions');
  await revoke(owner.refreshToken);
  const before = await rows();
  const refreshed = await api.post('/auth/refresh', { refreshToken: owner.refreshToken });
  t.match(refreshed, { status: 401, code: 'invalid_refresh_token' });
  t.strictSame(await rows(), before);
});

t.test('nothing is granted, created or changed for a token whose key was revoked', async (t) => {
  const { database, api, organization, join, owner, revoke, count } = await open(t);
  const other = await seedOrganization(database);
  await seedMembership(database, { organizationId: other.id, userId: owner.userId, role: 'viewer' });
  const person = await join('viewer');
  const { token } = owner;
  const keyed = { token, headers: { 'idempotency-key': randomUUID() } };
  t.equal((await api.post('/clients', WIDE, keyed)).status, 201, 'the key is good');
  const clients = await count('clients');
  await revoke(token);
  const events = await count('events');
  const calls = {
    'a client': () => api.post('/clients', WIDE, { token }),
    'the kept answer with the secret of a client': () => api.post('/clients', WIDE, keyed),
    'a role': () => api.post('/roles', { name: 'r', level: 1, permissions: ['*:*'] }, { token }),
    'a member': () => api.patch(`/users/${person.userId}`, { roles: [{ role: 'owner' }] }, { token }),
    'an organization': () => api.post('/organizations', { name: 'Thief' }, { token }),
    'the name': () => api.patch('/me', { name: 'Thief' }, { token }),
    'the other sessions': () => api.delete('/me/sessions', { token }),
    'another organization': () => api.post('/auth/switch-organization', { organization: other.slug }, { token }),
    'a membership': () => api.delete(`/me/organizations/${organization.id}`, { token }),
  };
  for (const [what, call] of Object.entries(calls)) t.match(await call(), REFUSED, what);
  t.strictSame([await count('clients'), await count('events')], [clients, events], 'nothing was written');
  t.equal((await api.get('/me', { token })).status, 200, 'this replica has not heard of it');
});
