// A role that many members have is changed at once, and the tokens of its members are ended in slices. The change is
// acknowledged when the last of them is ended, and a crash in the middle loses nothing.
import t, { type Test } from 'tap';
import { applyPreset } from '../../../src/directory/presets/apply.ts';
import { readPreset } from '../../../src/directory/presets/presets.ts';
import {
  HOLDERS_AT_ONCE_MAX,
  openRaising,
  raiseHolders,
  raiseHoldersForRequest,
} from '../../../src/directory/roles/raise-holders.ts';
import { listUnfinishedChanges } from '../../../src/directory/roles/raise-store.ts';
import type { TestDatabase } from '../../support/database.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { holdUser, waiters } from '../../support/locks.ts';

const HOLDERS = 1_300;

/** Inserts members who have the role, in one statement. */
async function seedHolders(database: TestDatabase, organizationId: string, role: { id: string; ownerKey: string }) {
  await database.query(
    `WITH people AS (
       INSERT INTO users (id, email, email_key, name)
       SELECT gen_random_uuid(), 'holder' || n || '@example.com', 'holder' || n || '@example.com', 'Holder'
       FROM generate_series(1, $2::int) n RETURNING id
     ),
     members AS (INSERT INTO memberships (organization_id, user_id) SELECT $1, id FROM people RETURNING user_id)
     INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
     SELECT gen_random_uuid(), $1, user_id, $3, $4 FROM members`,
    [organizationId, HOLDERS, role.id, role.ownerKey],
  );
}

async function opened(t: Test) {
  const team = await openTeam(t);
  const { database, organization } = team;
  const owner = await team.join('owner');
  const member = await team.join('viewer', 'Holder');
  const id = await seedRole(database, organization.id, { name: 'sales', permissions: ['deals:read', 'deals:write'] });
  await assignRole(database, { organizationId: organization.id, userId: member.userId, role: 'sales' });
  await seedHolders(database, organization.id, { id, ownerKey: organization.id });
  const change = (permissions: readonly string[]) =>
    team.api.patch(`/roles/${id}`, { permissions }, { token: owner.token });
  return { ...team, owner, member, id, change, parts: team.service.app.parts };
}

/** How many members with the name Holder have each epoch of their membership. */
async function epochsOf(database: TestDatabase): Promise<Record<string, number>> {
  const rows = await database.query<{ epoch: number; members: number }>(
    `SELECT m.epoch, count(*)::int AS members FROM memberships m JOIN users u ON u.id = m.user_id
     WHERE u.name = 'Holder' GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ epoch, members }) => [epoch, members]));
}

const unfinished = (database: TestDatabase) => database.query('SELECT * FROM unfinished_role_changes');

/** A change that has begun, and whose process ended after the first slice. */
async function interrupted(t: Test) {
  const all = await opened(t);
  const { parts, database, change } = all;
  const { system } = parts.db;
  let slices = 0;
  Object.assign(parts.db, {
    system: (...asked: Parameters<typeof system>) => {
      slices += 1;
      // The first transaction only finds that nothing is listed yet. The second one is the first slice.
      return slices > 2 ? Promise.reject(new Error('the process ended')) : system(...asked);
    },
  });
  t.equal((await change(['deals:read'])).status, 500);
  Object.assign(parts.db, { system });
  t.same(await epochsOf(database), { 0: HOLDERS + 1 - HOLDERS_AT_ONCE_MAX, 1: HOLDERS_AT_ONCE_MAX });
  t.equal((await unfinished(database)).length, 1);
  const [begun] = await listUnfinishedChanges(parts.db.systemReader(), all.organization.id);
  if (!begun) throw new Error('no change is unfinished');
  return { ...all, begun };
}

t.test('a role with many members is changed, and the older token of each of them is refused', async (t) => {
  const { database, api, id, change, member, owner } = await opened(t);
  const reply = await change(['deals:read']);
  t.match(reply, { status: 200, body: { data: { permissions: ['deals:read'] } } });
  t.same(await epochsOf(database), { 1: HOLDERS + 1 });
  t.same(await unfinished(database), []);
  const revocations = await database.query(
    `SELECT 1 FROM revocations WHERE membership_organization_id IS NOT NULL AND subject IN (
       SELECT user_id FROM role_assignments WHERE role_id = $1)`,
    [id],
  );
  t.equal(revocations.length, HOLDERS + 1, 'each member has one revocation');
  t.match(await api.get('/me', { token: member.token }), { status: 401, code: 'token_stale' });
  t.equal((await api.get('/me', { token: owner.token })).status, 200);
  t.equal((await change(['deals:read'])).status, 200);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 }, 'the same change again ends nothing');
});

t.test('a narrowed role is not acknowledged before the token of the last member is refused', async (t) => {
  const { database, api, id, change, member, owner } = await opened(t);
  const held = await holdUser(t, database, member.userId);
  let answered = false;
  const changing = change(['deals:read']).finally(() => {
    answered = true;
  });
  await waiters(database, 1);
  t.equal((await api.get('/me', { token: member.token })).status, 200);
  const seen = await api.get(`/roles/${id}`, { token: owner.token });
  t.same(seen.body.data.permissions, ['deals:read'], 'the role is changed for everybody at once');
  t.notOk(answered);
  await held.query('COMMIT');
  t.equal((await changing).status, 200);
  t.match(await api.get('/me', { token: member.token }), { status: 401, code: 'token_stale' });
});

t.test('a change that a process began before it ended is finished by the loop of another process', async (t) => {
  const { database, parts } = await interrupted(t);
  const loop = openRaising(parts);
  await loop.run();
  t.equal((await unfinished(database)).length, 1, 'a process may still be working on it');
  await database.query("UPDATE unfinished_role_changes SET advanced_at = advanced_at - interval '1 minute'");
  await loop.run();
  t.same(await unfinished(database), []);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 }, 'nobody is raised twice');
});

t.test('the same request again waits for the rest of an unfinished change', async (t) => {
  const { database, change } = await interrupted(t);
  t.equal((await change(['deals:read'])).status, 200);
  t.same(await unfinished(database), []);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 });
});

t.test('a further change begins again with the first member', async (t) => {
  const { database, change } = await interrupted(t);
  t.equal((await change([])).status, 200);
  t.same(await unfinished(database), []);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 - HOLDERS_AT_ONCE_MAX, 2: HOLDERS_AT_ONCE_MAX });
});

t.test('several processes share the work on one change, and all of them wait for its end', async (t) => {
  const { database, parts, begun } = await interrupted(t);
  const done = await Promise.all([1, 2, 3].map(() => raiseHolders(parts, begun)));
  t.same(done, [true, true, true]);
  t.same(await unfinished(database), []);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 });
});

t.test('a request whose time is over gets service_busy, and the change continues', async (t) => {
  const { database, parts, begun } = await interrupted(t);
  await t.rejects(raiseHoldersForRequest(parts, begun, 0), { code: 'service_busy', extras: { retryAfterSeconds: 5 } });
  t.equal((await unfinished(database)).length, 1);
  await raiseHoldersForRequest(parts, begun);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 });
});

t.test('a deleted organization leaves no unfinished change', async (t) => {
  const { database, parts, begun, organization } = await interrupted(t);
  await database.query('DELETE FROM organizations WHERE id = $1', [organization.id]);
  t.same(await unfinished(database), []);
  t.equal(await raiseHolders(parts, begun), true);
});

t.test('a preset ends the tokens of many members in slices as well', async (t) => {
  const team = await openTeam(t);
  const { database, organization, service } = team;
  const [viewer] = await database.query<{ id: string; ownerKey: string }>(
    `SELECT id, owner_key AS "ownerKey" FROM roles WHERE name = 'viewer' AND organization_id IS NULL`,
  );
  if (!viewer) throw new Error('there is no viewer');
  await seedHolders(database, organization.id, viewer);
  const preset = readPreset('crm');
  const roles = preset.roles.map((role) => (role.name === 'viewer' ? { ...role, permissions: ['deals:read'] } : role));
  const applied = await applyPreset(service.app.parts, { ...preset, roles });
  t.equal(applied.usersAffected, HOLDERS);
  t.same(await epochsOf(database), { 1: HOLDERS });
  t.same(await unfinished(database), []);
});
