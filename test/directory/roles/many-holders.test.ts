// A change of a role that many members have takes the same time for any number of them, and refuses the older tokens of
// all of them at once. The epochs of the memberships follow in slices, for tokens and processes of the previous
// version. Another process finishes what a crash interrupts.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { applyPreset } from '../../../src/directory/presets/apply.ts';
import { readPreset } from '../../../src/directory/presets/presets.ts';
import { openRaising, raiseHolders, SLICE_USERS } from '../../../src/directory/roles/raise-holders.ts';
import { listUnfinishedChanges } from '../../../src/directory/roles/raise-store.ts';
import type { TestDatabase } from '../../support/database.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openTeam, renewed } from '../../support/fixtures/team.ts';
import { forge, partsOf, rsa, serviceKey } from '../../support/forge.ts';
import { holdUser, openTransaction, waiters } from '../../support/locks.ts';
import { UNREAD_USER } from '../../support/personal.ts';

const HOLDERS = 1_300;

/** Inserts members who have the role, in one statement. */
async function seedHolders(database: TestDatabase, organizationId: string, role: { id: string; ownerKey: string }) {
  await database.query(
    `WITH people AS (
       INSERT INTO users (id, ${UNREAD_USER.columns})
       SELECT gen_random_uuid(), ${UNREAD_USER.values("'holder' || n")}
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
  const { database, api, organization, service } = team;
  const owner = await team.join('owner');
  const member = await team.join('viewer', 'Holder');
  const id = await seedRole(database, organization.id, { name: 'sales', permissions: ['deals:read', 'deals:write'] });
  await assignRole(database, { organizationId: organization.id, userId: member.userId, role: 'sales' });
  await seedHolders(database, organization.id, { id, ownerKey: organization.id });
  const change = (body: object) => api.patch(`/roles/${id}`, body, { token: owner.token });
  const ask = async (token: string) => {
    const { status, code } = await api.get('/me', { token });
    return code ?? status;
  };
  const token = await renewed(api, member); // the roles in this token include the new role
  return { ...team, owner, member, token, id, change, ask, parts: service.app.parts };
}

type Opened = Awaited<ReturnType<typeof opened>>;

/** How many members who are not owners have each epoch of their membership. */
async function epochsOf(database: TestDatabase): Promise<Record<string, number>> {
  const rows = await database.query<{ epoch: number; members: number }>(
    `SELECT m.epoch, count(*)::int AS members FROM memberships m WHERE m.user_id NOT IN (
       SELECT a.user_id FROM role_assignments a JOIN roles r ON r.id = a.role_id AND r.ownership
     ) GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map(({ epoch, members }) => [epoch, members]));
}

const unfinished = (database: TestDatabase) => database.query('SELECT * FROM unfinished_role_changes');

/** The token as the previous version would have issued it. */
function olderForm({ service }: Opened, token: string): string {
  const { header, claims } = partsOf(token);
  const { rep: _, ...older } = claims;
  return forge({ header, claims: { ...older, jti: randomUUID() } }, rsa(serviceKey(service.keysDirectory, 'access')));
}

/** A change of the role whose work stopped after the first slice. */
async function interrupted(t: Test) {
  const all = await opened(t);
  const { parts, database, change, organization } = all;
  t.equal((await change({ permissions: ['deals:read'] })).status, 200);
  const [begun] = await listUnfinishedChanges(parts.db.systemReader(), organization.id);
  if (!begun) throw new Error('no change is unfinished');
  // The first run of the loop finds no memberships to raise yet. The second run raises the first slice.
  let turns = 0;
  const isOver = () => {
    turns += 1;
    return turns > 2;
  };
  t.equal(await raiseHolders(parts, begun, { isOver }), false);
  t.same(await epochsOf(database), { 0: HOLDERS + 1 - SLICE_USERS, 1: SLICE_USERS });
  t.equal((await unfinished(database)).length, 1);
  return { ...all, begun };
}

/** Lets time pass, and then runs the loop of a process once, for as long as the work takes. */
async function runLoop({ database, parts }: Opened): Promise<void> {
  await database.query("UPDATE unfinished_role_changes SET advanced_at = advanced_at - interval '1 minute'");
  await openRaising({ ...parts, runMsMax: Number.POSITIVE_INFINITY }).run();
}

t.test('one revocation refuses the older tokens of all members of a changed role, and no others', async (t) => {
  const { database, api, change, ask, token, member, owner, organization } = await opened(t);
  const reply = await change({ permissions: ['deals:read'] });
  t.match(reply, { status: 200, body: { data: { permissions: ['deals:read'] } } });
  const revocations = () => database.query('SELECT subject, epoch, membership_organization_id AS of FROM revocations');
  t.same(await revocations(), [{ subject: organization.id, epoch: 1, of: organization.id }]);
  t.same(await epochsOf(database), { 0: HOLDERS + 1 }, 'no membership was written');
  t.same([await ask(token), await ask(owner.token)], ['token_stale', 200]);
  const next = await renewed(api, member);
  t.match(partsOf(next).claims, { rep: 1, roles: ['viewer', 'sales'] });
  t.notOk((partsOf(next).claims.permissions as string[]).includes('deals:write'));
  t.equal(await ask(next), 200);
  t.equal((await change({ permissions: ['deals:read'] })).status, 200);
  t.equal((await revocations()).length, 1, 'the same change again ends nothing');
});

t.test('another replica reads the revocation of a changed role from PostgreSQL', async (t) => {
  const { service, openReplica, change, token, owner } = await opened(t);
  const other = await openReplica();
  const { revocations } = other.app.parts;
  const ask = async (asked: string) => {
    const { status, code } = await other.api.get('/me', { token: asked });
    return code ?? status;
  };
  t.equal(await ask(token), 200);
  t.equal((await change({ name: 'sellers' })).status, 200);
  await revocations.synchronize();
  t.same([await ask(token), await ask(owner.token)], ['token_stale', 200]);
  t.not(revocations, service.app.parts.revocations);
});

t.test('a renamed role is found in older tokens by its former name', async (t) => {
  const { api, change, ask, token, member } = await opened(t);
  t.equal((await change({ name: 'sellers' })).status, 200);
  t.equal(await ask(token), 'token_stale');
  const next = await renewed(api, member);
  t.equal(await ask(next), 200);
  t.equal((await change({ permissions: [] })).status, 200);
  t.equal(await ask(next), 'token_stale');
});

t.test('a change is answered while another transaction has locked a member', async (t) => {
  const { database, change, ask, token, member } = await opened(t);
  const held = await holdUser(t, database, member.userId);
  t.equal((await change({ permissions: ['deals:read'] })).status, 200);
  t.equal(await ask(token), 'token_stale');
  await held.query('ROLLBACK');
});

t.test('a check that was answered from memory follows the changed role', async (t) => {
  const { api, change, member, owner } = await opened(t);
  const question = { userId: member.userId, resource: 'deals', action: 'write' };
  const check = async () => (await api.post('/authz/check', question, { token: owner.token })).body.data.allowed;
  t.same([await check(), await check()], [true, true]);
  await change({ permissions: ['deals:read'] });
  t.equal(await check(), false);
});

t.test('a token of the previous version is refused once its membership was raised', async (t) => {
  const all = await opened(t);
  const { change, ask, token, database } = all;
  const older = olderForm(all, token);
  await change({ permissions: ['deals:read'] });
  t.equal(await ask(older), 200, 'the membership is not raised yet');
  await runLoop(all);
  t.equal(await ask(older), 'token_stale');
  t.same(await unfinished(database), []);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 });
  const revocations = await database.query('SELECT 1 FROM revocations WHERE subject <> membership_organization_id');
  t.equal(revocations.length, HOLDERS + 1, 'each member has one revocation');
});

t.test('what a process has begun before it ended is finished by the loop of another one', async (t) => {
  const all = await interrupted(t);
  await openRaising(all.parts).run();
  t.equal((await unfinished(all.database)).length, 1, 'a process may still be working on it');
  await runLoop(all);
  t.same(await unfinished(all.database), []);
  t.same(await epochsOf(all.database), { 1: HOLDERS + 1 }, 'nobody is raised twice');
});

t.test('a further change begins again with the first member', async (t) => {
  const all = await interrupted(t);
  t.equal((await all.change({ permissions: [] })).status, 200);
  await runLoop(all);
  t.same(await unfinished(all.database), []);
  t.same(await epochsOf(all.database), { 1: HOLDERS + 1 - SLICE_USERS, 2: SLICE_USERS });
});

t.test('several processes share the work on one change, and all of them wait for its end', async (t) => {
  const { database, parts, begun } = await interrupted(t);
  const done = await Promise.all([1, 2, 3].map(() => raiseHolders(parts, begun)));
  t.same(done, [true, true, true]);
  t.same(await unfinished(database), []);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 });
});

t.test('between two slices, the work waits for as long as its pace says', async (t) => {
  const { parts, begun } = await interrupted(t);
  const pauses: number[] = [];
  const pauseAfter = async (workMs: number) => void pauses.push(workMs);
  t.equal(await raiseHolders(parts, begun, { pauseAfter }), true);
  t.equal(pauses.length, Math.ceil((HOLDERS + 1) / SLICE_USERS) - 1, 'one pause for each slice that was left');
  t.ok(pauses.every((ms) => ms > 0));
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

t.test('a second change of the role waits for the slice that is being raised, and no longer', async (t) => {
  const { database, change } = await interrupted(t);
  const slice = await openTransaction(t, database);
  await slice.query('SELECT 1 FROM unfinished_role_changes FOR UPDATE');
  const changed = change({ permissions: [] });
  await waiters(database, 1);
  await slice.query('COMMIT');
  t.equal((await changed).status, 200);
});

t.test('a run of the loop ends after a bounded time, so that the next one finds further changes', async (t) => {
  const all = await interrupted(t);
  const { database, parts } = all;
  await database.query("UPDATE unfinished_role_changes SET advanced_at = advanced_at - interval '1 minute'");
  await openRaising({ ...parts, runMsMax: 0 }).run();
  t.same(await epochsOf(database), { 0: HOLDERS + 1 - SLICE_USERS, 1: SLICE_USERS }, 'what was done stays done');
  await runLoop(all);
  t.same(await unfinished(database), []);
  t.same(await epochsOf(database), { 1: HOLDERS + 1 });
});

t.test('a change that fails does not prevent the work on another change', async (t) => {
  const { database, parts, id, organization } = await interrupted(t);
  const failing = await seedRole(database, organization.id, { name: 'failing', permissions: [] });
  await database.query(
    `INSERT INTO unfinished_role_changes (id, organization_id, role_owner_key, role_id, after_user_id)
     SELECT gen_random_uuid(), organization_id, role_owner_key, $1, after_user_id FROM unfinished_role_changes`,
    [failing],
  );
  await database.query("UPDATE unfinished_role_changes SET advanced_at = advanced_at - interval '1 minute'");
  const systemReader: typeof parts.db.systemReader = (how) => ({
    ...parts.db.systemReader(how),
    rows: (asked, values) =>
      values.includes(failing) ? Promise.reject(new Error('it fails')) : parts.db.systemReader(how).rows(asked, values),
  });
  await t.rejects(openRaising({ ...parts, db: { ...parts.db, systemReader } }).run(), { message: 'it fails' });
  t.same(await database.query('SELECT role_id AS id FROM unfinished_role_changes WHERE role_id = $1', [id]), []);
});

t.test('a change of a role with many members counts twice', async (t) => {
  const { database, change, organization } = await opened(t);
  const paid = async () => {
    const [row] = await database.query<{ until: number }>(
      'SELECT extract(epoch FROM role_changes_paid_until)::float8 AS until FROM organizations WHERE id = $1',
      [organization.id],
    );
    return row?.until ?? 0;
  };
  const setPaid = (seconds: number) =>
    database.query("UPDATE organizations SET role_changes_paid_until = clock_timestamp() + $1 * interval '1 second'", [
      seconds,
    ]);
  await setPaid(60);
  const before = await paid();
  t.equal((await change({ name: 'first' })).status, 200);
  t.equal(Math.round((await paid()) - before), 12, 'two times six seconds');
  await setPaid(108);
  t.equal((await change({ name: 'last' })).status, 200, 'the last one without a wait');
  await setPaid(108 + 600);
  t.match(await change({ name: 'refused' }), { status: 429, code: 'too_many_requests' });
});
