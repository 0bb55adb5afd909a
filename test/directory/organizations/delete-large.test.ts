// A deleted organization with many members disappears for everybody at once. Its rows are removed in portions, and
// another process finishes a removal that a crash interrupts.
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { findRefreshTokenState } from '../../../src/access/oauth/store.ts';
import { listOwnedAlone } from '../../../src/admin/accounts/store.ts';
import { verifyRefreshToken } from '../../../src/credentials/tokens/refresh.ts';
import {
  openRemovalOfDeleted,
  REMOVED_AT_ONCE_MAX,
  removeDeleted,
  removeDeletedForRequest,
} from '../../../src/directory/organizations/remove-deleted.ts';
import { lockAndCountOwned } from '../../../src/directory/rights/store.ts';
import type { TestDatabase } from '../../support/database.ts';
import { newAdministrator } from '../../support/fixtures/administrators.ts';
import { seedOrganizationOf, seedPerson, signInPerson } from '../../support/fixtures/people.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { UNREAD_INVITATION, UNREAD_USER } from '../../support/personal.ts';
import { openService } from '../../support/service.ts';

const MEMBERS = 2 * REMOVED_AT_ONCE_MAX + 100;

/** Inserts members, each with a role, two sessions and an invitation of somebody else. */
async function seedMany(database: TestDatabase, organizationId: string) {
  await database.query(
    `WITH people AS (
       INSERT INTO users (id, ${UNREAD_USER.columns})
       SELECT gen_random_uuid(), ${UNREAD_USER.values("'many' || n")}
       FROM generate_series(1, $2::int) n RETURNING id
     ),
     members AS (INSERT INTO memberships (organization_id, user_id) SELECT $1, id FROM people RETURNING user_id),
     sitting AS (
       INSERT INTO sessions (id, user_id, organization_id, amr, created_at, last_seen_at, idle_expires_at, expires_at,
         confirmed, confirmed_at)
       SELECT gen_random_uuid(), user_id, $1, '{pwd}', now(), now(), now(), now(), gen_random_uuid(), now()
       FROM members, generate_series(1, 2)
     ),
     invited AS (
       INSERT INTO invitations (id, organization_id, ${UNREAD_INVITATION.columns}, expires_at)
       SELECT gen_random_uuid(), $1, ${UNREAD_INVITATION.values('user_id::text')}, now() + interval '1 day' FROM members
     )
     INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
     SELECT gen_random_uuid(), $1, m.user_id, r.id, r.owner_key FROM members m, roles r WHERE r.name = 'viewer'`,
    [organizationId, MEMBERS],
  );
}

async function rowsOf(database: TestDatabase, organizationId: string): Promise<Record<string, number>> {
  const [row] = await database.query<Record<string, number>>(
    `SELECT (SELECT count(*) FROM organizations WHERE id = $1)::int AS organizations,
       (SELECT count(*) FROM memberships WHERE organization_id = $1)::int AS memberships,
       (SELECT count(*) FROM role_assignments WHERE organization_id = $1)::int AS assignments,
       (SELECT count(*) FROM sessions WHERE organization_id = $1)::int AS sessions,
       (SELECT count(*) FROM invitations WHERE organization_id = $1)::int AS invitations`,
    [organizationId],
  );
  return row ?? {};
}

const NONE = { organizations: 0, memberships: 0, assignments: 0, sessions: 0, invitations: 0 };

async function opened(t: Test) {
  const team = await openTeam(t);
  const owner = await team.join('owner');
  const member = await team.join('agent');
  await seedMany(team.database, team.organization.id);
  return { ...team, owner, member, parts: team.service.app.parts };
}

/** A deletion whose process ended after `portions` portions. The request for the deletion has been answered. */
async function interrupted(t: Test, portions: number) {
  const all = await opened(t);
  const { parts, organization, owner, api } = all;
  const { system } = parts.db;
  let left = portions;
  Object.assign(parts.db, {
    system: (...[work, options]: Parameters<typeof system>) => {
      if (options?.organizationId !== organization.id) return system(work, options);
      left -= 1;
      return left < 0 ? Promise.reject(new Error('the process ended')) : system(work, options);
    },
  });
  const reply = await api.delete('/organizations/current', { token: owner.token });
  Object.assign(parts.db, { system });
  t.equal(reply.status, 204);
  return all;
}

t.test('all rows of a large organization are removed, in portions', async (t) => {
  const { api, database, organization, owner } = await opened(t);
  t.equal((await api.delete('/organizations/current', { token: owner.token })).status, 204);
  await removeDeleted({ db: (await openService(t, database)).app.parts.db }, organization.id);
  t.same(await rowsOf(database, organization.id), NONE);
  const [kept] = await database.query<{ people: number; sessions: number }>(
    `SELECT (SELECT count(*) FROM users WHERE email_sealed = '\\x00')::int AS people,
       (SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email_sealed = '\\x00')::int AS sessions`,
  );
  t.same(kept, { people: MEMBERS, sessions: 2 * MEMBERS }, 'the people and their sessions stay');
});

t.test('a removal that a process began before it ended is finished by the loop of another process', async (t) => {
  for (const portions of [0, 3, 7, 9]) {
    const { database, organization, parts } = await interrupted(t, portions);
    t.equal((await rowsOf(database, organization.id)).organizations, 1, `${portions} portions`);
    await openRemovalOfDeleted(parts).run();
    t.same(await rowsOf(database, organization.id), NONE);
  }
});

t.test('a request that deleted many organizations removes rows for two seconds, and the loop the rest', async (t) => {
  const { database, service } = await openTeam(t);
  const { db } = service.app.parts;
  const userId = await seedPerson(database).then((person) => person.userId);
  const ids: string[] = [];
  for (let n = 0; n < 12; n += 1) ids.push(await seedOrganizationOf(database, userId, { slug: `planted-${n}` }));
  await database.query('UPDATE organizations SET deleted_at = now() WHERE id = ANY($1::uuid[])', [ids]);
  const left = async () =>
    (await database.query('SELECT 1 FROM organizations WHERE id = ANY($1::uuid[])', [ids])).length;
  let begun = 0;
  const system: typeof db.system = async (...asked) => {
    begun += 1;
    await delay(500);
    return db.system(...asked);
  };
  const before = performance.now();
  await removeDeletedForRequest({ db: { ...db, system } }, ids);
  const milliseconds = performance.now() - before;
  t.ok(begun > 0 && begun <= 5, `${begun} transactions of half a second`);
  t.ok(milliseconds < 8_000, `${milliseconds} ms`);
  t.ok((await left()) >= 11);
  const loop = openRemovalOfDeleted(service.app.parts);
  for (let rounds = 0; rounds < 2; rounds += 1) await loop.run();
  t.equal(await left(), 0);
});

t.test('several processes that remove the same organization do not hinder each other', async (t) => {
  const { database, organization, parts } = await interrupted(t, 1);
  await Promise.all([1, 2, 3].map(() => removeDeleted(parts, organization.id)));
  await openRemovalOfDeleted(parts).run();
  t.same(await rowsOf(database, organization.id), NONE);
});

t.test('while the rows of an organization are removed, requests get the same answers as afterwards', async (t) => {
  const all = await interrupted(t, 3);
  const { api, database, organization, owner, member, parts } = all;
  const administrator = await newAdministrator(all.service);
  await seedOrganizationOf(database, owner.userId, { slug: 'elsewhere', role: 'viewer' });
  const outside = (await signInPerson(api, owner)).accessToken;
  const { id, slug } = organization;
  const operator = { token: administrator.accessToken };
  // Lets a member's session act for the organization, as the sessions of all members did at the deletion.
  const reset = async () => {
    const [there] = await database.query('SELECT 1 FROM memberships WHERE organization_id = $1 AND user_id = $2', [
      id,
      member.userId,
    ]);
    if (!there) return;
    await database.query('UPDATE sessions SET organization_id = $1 WHERE id = $2', [id, member.sessionId]);
  };
  async function seen() {
    await reset();
    const refreshed = await api.post('/auth/refresh', { refreshToken: member.refreshToken });
    const found = {
      me: await api.get('/me', { token: owner.token }),
      current: await api.get('/organizations/current', { token: member.token }),
      own: await api.get('/me/organizations', { token: owner.token }),
      sessions: await api.get('/me/sessions', { token: member.token }),
      refresh: refreshed,
      here: await api.post('/auth/refresh', { refreshToken: member.refreshToken, organization: id }),
      switched: await api.post('/auth/switch-organization', { organization: id }, { token: outside }),
      named: await api.get('/me', { token: refreshed.body.data?.accessToken, headers: { 'x-tenant-id': id } }),
      left: await api.delete(`/me/organizations/${id}`, { token: outside }),
      read: await api.get(`/admin/organizations/${id}`, operator),
      found: await api.get(`/admin/organizations?q=${slug}`, operator),
      suspended: await api.get('/admin/organizations?status=suspended', operator),
      activated: await api.post(`/admin/organizations/${id}/activate`, {}, operator),
    };
    const told = Object.entries(found).map(([name, { status, code, body }]) => {
      const data = body?.data;
      const shown = Array.isArray(data) ? data.map(({ organization }) => organization ?? null) : data?.organization;
      return [name, `${status} ${code ?? ''} ${JSON.stringify(shown) ?? ''}`];
    });
    const presented = await verifyRefreshToken(parts, refreshed.body.data.refreshToken);
    if (!presented) throw new Error('the refresh token is not good');
    return {
      ...Object.fromEntries(told),
      introspected: await findRefreshTokenState(parts.db.systemReader(), presented, 10),
      alone: await listOwnedAlone(parts.db.systemReader(), owner.userId),
      owned: await parts.db.system((tx) => lockAndCountOwned(tx, owner.userId)),
    };
  }
  const meanwhile = await seen();
  t.not((await rowsOf(database, id)).memberships, 0, 'members were left while the answers were given');
  await removeDeleted(parts, id);
  t.same(await rowsOf(database, id), NONE);
  t.same(meanwhile, await seen());
  t.match(meanwhile, {
    me: /^401 organization_suspended/,
    own: /^200/,
    sessions: '200  [null]',
    refresh: '200  null',
    here: /^403 organization_access_denied/,
    switched: /^403 organization_access_denied/,
    named: /^403 organization_access_denied/,
    left: /^404/,
    read: /^404/,
    found: '200  []',
    suspended: '200  []',
    activated: /^404/,
    introspected: { live: true, organizationId: null, organizationSlug: null },
    alone: [],
    owned: 0,
  });
});

t.test('the slug is free at once, and the previous version cannot restore the organization', async (t) => {
  const { api, database, organization, member } = await interrupted(t, 0);
  const { slug } = organization;
  await seedOrganizationOf(database, member.userId, { slug: 'elsewhere', role: 'viewer' });
  const token = (await signInPerson(api, member)).accessToken;
  t.equal((await api.post('/organizations', { name: 'New', slug }, { token })).status, 201);
  // The statement with which the previous version activates an organization.
  await database.query("UPDATE organizations SET status = 'active', updated_at = now() WHERE id = $1", [
    organization.id,
  ]);
  const [row] = await database.query('SELECT status, slug, deleted_at FROM organizations WHERE id = $1', [
    organization.id,
  ]);
  t.match(row, { status: 'suspended', slug: /^deleted-/, deleted_at: Date });
});

t.test('a deletion that has waited for a session still removes all later portions', async (t) => {
  const { api, database, organization, owner, member, parts } = await opened(t);
  const held = await openTransaction(t, database);
  await held.query('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [member.sessionId]);
  const deletion = api.delete('/organizations/current', { token: owner.token });
  await waiters(database, 1);
  t.match(await api.get('/me', { token: member.token }), { status: 401, code: 'organization_suspended' });
  await held.query('COMMIT');
  t.equal((await deletion).status, 204);
  await removeDeleted(parts, organization.id);
  t.same(await rowsOf(database, organization.id), NONE);
});
