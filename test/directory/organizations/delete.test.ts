// Deleting an organization: the required permission, what is deleted with it, what stays, and that nothing else
// changes.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { sessionRow } from '../../sign-in/sessions/rows.ts';
import { type Api, atOnce } from '../../support/client.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { partsOf } from '../../support/forge.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

const database = await createDatabase(t);
const CURRENT = '/organizations/current';

async function signIn(api: Api, { email, password }: Account, organization: string) {
  return (await api.post('/auth/login', { email, password, organization })).body.data;
}

/**
 * An organization with a row of every kind: a custom role in use, a second member, an invitation, a mail, a service
 * client and so on.
 */
async function furnished(api: Api) {
  const owner = await newAccount(api);
  const member = await newAccount(api);
  const { id } = owner.organization;
  await seedMembership(database, { organizationId: id, userId: member.userId, role: 'agent' });
  const roleId = await seedRole(database, id, { name: 'own', level: 1, permissions: ['a:b'] });
  await assignRole(database, { organizationId: id, userId: member.userId, roleId });
  const { id: invitation } = await seedInvitation(database, id, { email: 'x@y.z' });
  await database.query(
    'INSERT INTO invitation_roles (organization_id, invitation_id, role_id, role_owner_key) VALUES ($1, $2, $3, $1)',
    [id, invitation, roleId],
  );
  await database.query(
    `INSERT INTO outbox (id, organization_id, kind, subject_id, recipient_lookup, due_at) VALUES (gen_random_uuid(), $1, 'invitation', $2, '\\x00', NULL)`,
    [id, invitation],
  );
  const client = randomUUID();
  await database.query(
    `INSERT INTO clients (id, organization_id, owner_key, name, permissions, authentication) VALUES ($1, $2, $2, 'x', '{a:b}', 'client_secret')`,
    [client, id],
  );
  await database.query(
    `INSERT INTO client_secrets (id, organization_id, owner_key, client_id, hash) VALUES (gen_random_uuid(), $1, $1, $2, sha256('x'))`,
    [id, client],
  );
  await database.query(
    `INSERT INTO idempotency_keys (id, organization_id, secret_id, fingerprint, answer) VALUES (sha256($2), $1, 'x', sha256('x'), 'x')`,
    [id, Buffer.from(id)],
  );
  await database.query(
    `INSERT INTO unfinished_role_changes (id, organization_id, role_owner_key, role_id, after_user_id, advanced_at)
     VALUES (gen_random_uuid(), $1, $1, $2, $2, now() + interval '1 hour')`,
    [id, roleId],
  );
  return { owner, member, id, token: owner.accessToken };
}

// Events stay after the organization is deleted. So do the rows of its mails, by which the mails to an address are
// counted.
const KEPT = ['events', 'outbox'];

/** Returns for each table the number of rows of the organization, and a hash of all other rows. */
async function contents(from: TestDatabase, organizationId: string) {
  const tables = await from.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.columns
     WHERE column_name = 'organization_id' AND table_schema = 'public' ORDER BY 1`,
  );
  const found: Record<string, { own: number; others: string }> = {};
  for (const { name } of [...tables, { name: 'organizations' }]) {
    const column = name === 'organizations' ? 'id' : 'organization_id';
    const [row] = await from.query<{ own: number; others: string }>(
      `SELECT count(*) FILTER (WHERE ${column} = $1)::int AS own,
         md5(coalesce(string_agg(x::text, '|' ORDER BY x::text) FILTER (WHERE ${column} IS DISTINCT FROM $1), '')) AS others
       FROM ${name} x`,
      [organizationId],
    );
    if (row) found[name] = row;
  }
  return found;
}

t.test('all rows of the organization except events and mails are deleted, and all other rows stay', async (t) => {
  const { api, app } = await openService(t, database);
  const { owner, member, id, token } = await furnished(api);
  const bystander = await furnished(api);
  const atMembers = await signIn(api, member, id);
  await app.parts.outbox.sendDue(); // otherwise a mail could be sent between the two readings
  const before = await contents(database, id);
  const full = Object.entries(before).filter(([, { own }]) => own === 0);
  t.strictSame(full, [], 'before the deletion each table has rows of the organization');
  t.equal((await api.delete(CURRENT, { token })).status, 204);
  const after = await contents(database, id);
  for (const [table, { own, others }] of Object.entries(after)) {
    if (!KEPT.includes(table)) t.equal(own, 0, `${table} has no row of the organization left`);
    if (table !== 'sessions') t.equal(others, before[table]?.others, `${table} has the same other rows`);
  }
  const [event] = await database.query('SELECT * FROM events WHERE organization_id = $1 ORDER BY at DESC LIMIT 1', [
    id,
  ]);
  t.match(event, {
    type: 'organization.deleted',
    actor_id: owner.userId,
    target_id: id,
    data: { slug: owner.organization.slug },
  });
  t.equal(
    (await sessionRow(database, atMembers.sessionId)).organization_id,
    null,
    'the session acts for no organization',
  );
  t.equal((await api.get(CURRENT, { token: bystander.token })).status, 200);
  const again = await api.post(
    '/organizations',
    { name: 'New', slug: owner.organization.slug },
    { token: bystander.token },
  );
  t.equal(again.status, 201, 'the slug is free again');
  t.not(again.body.data.id, id);
});

t.test('tokens for a deleted organization are refused at once, and its sessions act for no organization', async (t) => {
  const { api } = await openService(t, database);
  const { api: replica, app: other } = await openService(t, database);
  const { owner, member, id, token } = await furnished(api);
  const atMembers = await signIn(api, member, id);
  t.equal((await api.delete(CURRENT, { token })).status, 204);
  await other.parts.revocations.synchronize();
  for (const [where, used] of [
    [api, token],
    [api, atMembers.accessToken],
    [replica, token],
  ] as const) {
    t.match(await where.get('/me', { token: used }), { status: 401, code: 'organization_suspended' });
  }
  t.equal((await api.get('/me/organizations', { token })).body.pagination.total, 0);
  t.equal(
    (await api.get('/me', { token: member.accessToken })).status,
    200,
    'the member’s own organization is unchanged',
  );
  const next = await api.post('/auth/refresh', { refreshToken: owner.refreshToken });
  t.equal(next.status, 200);
  t.match(next.body.data, { organization: null, roles: [], memberships: [], sessionId: owner.sessionId });
  t.notOk('org' in partsOf(next.body.data.accessToken).claims);
  refused(
    t,
    await api.get(CURRENT, { token: next.body.data.accessToken }),
    'organization_required',
    'the next token acts for no organization',
  );
  refused(
    t,
    await api.post('/auth/login', { ...loginOf(member), organization: id }),
    'organization_access_denied',
    'sign-in',
  );
});

function loginOf({ email, password }: Account) {
  return { email, password };
}

t.test('deleting needs organization:delete at the moment of the deletion', async (t) => {
  const { api } = await openService(t, database);
  const { owner, id, token } = await furnished(api);
  const admin = await newAccount(api);
  await seedMembership(database, { organizationId: id, userId: admin.userId, role: 'admin' });
  const atIt = await signIn(api, admin, id);
  refused(t, await api.delete(CURRENT, { token: atIt.accessToken }), 'permission_denied', 'an admin');
  refused(t, await api.delete(CURRENT), 'unauthenticated', 'nobody');
  // The database changes after the token has been issued, and this process gets no event.
  const states: [
    what: string,
    change: string,
    code: 'permission_denied' | 'organization_access_denied' | 'organization_suspended',
  ][] = [
    [
      'the member has no role any more',
      'DELETE FROM role_assignments WHERE organization_id = $1 AND user_id = $2',
      'permission_denied',
    ],
    [
      'suspended',
      "UPDATE memberships SET status = 'suspended' WHERE organization_id = $1 AND user_id = $2",
      'organization_access_denied',
    ],
    [
      'disabled',
      "UPDATE users SET status = 'disabled' WHERE id = $2 AND $1::uuid IS NOT NULL",
      'organization_access_denied',
    ],
    ['removed', 'DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2', 'organization_access_denied'],
    [
      'organization suspended',
      "UPDATE organizations SET status = 'suspended' WHERE id = $1 AND $2::uuid IS NOT NULL",
      'organization_suspended',
    ],
  ];
  for (const [what, change, code] of states) {
    await database.query(change, [id, owner.userId]);
    refused(t, await api.delete(CURRENT, { token }), code, what);
  }
  const [row] = await database.query('SELECT 1 AS there FROM organizations WHERE id = $1', [id]);
  t.ok(row, 'the organization still exists');
});

t.test('rights that the caller loses while the deletion waits do not count', async (t) => {
  const { api } = await openService(t, database);
  const { owner, id, token } = await furnished(api);
  const change = await openTransaction(t, database);
  await change.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [id]);
  const deletion = api.delete(CURRENT, { token });
  await waiters(database, 1);
  await change.query('DELETE FROM role_assignments WHERE organization_id = $1 AND user_id = $2', [id, owner.userId]);
  await change.query('COMMIT');
  refused(t, await deletion, 'permission_denied', 'the right is checked after the wait');
});

t.test('of several deletions at the same time one succeeds, and its event is written once', async (t) => {
  const { api } = await openService(t, database);
  const owners = await Promise.all(Array.from({ length: 10 }, () => newAccount(api)));
  for (const { organization, accessToken } of owners) {
    const replies = await atOnce(5, () => api.delete(CURRENT, { token: accessToken }));
    const done = replies.filter(({ status }) => status === 204);
    t.equal(done.length, 1);
    const others = replies.filter(({ status }) => status !== 204).map(({ code }) => code);
    t.ok(
      others.every((code) => code === 'organization_access_denied' || code === 'organization_suspended'),
      `${others}`,
    );
    const [events] = await database.query(
      "SELECT count(*)::int AS total FROM events WHERE target_id = $1 AND type = 'organization.deleted'",
      [organization.id],
    );
    t.equal(events?.total, 1);
  }
});

t.test('during the deletion a sign-in, refresh or switch succeeds or is refused, and never gets 500', async (t) => {
  const { api } = await openService(t, database);
  const person = await newAccount(api);
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds(50); round += 1) {
    const { accessToken: token } = person;
    const made = (await api.post('/organizations', { name: `Round ${round}` }, { token })).body.data;
    const at = (await api.post('/auth/login', { ...loginOf(person), organization: made.id })).body.data;
    const { refreshToken } = (await api.post('/auth/login', loginOf(person))).body.data;
    const replies = await atOnce(5, async (which) => {
      if (which === 0) return api.delete(CURRENT, { token: at.accessToken });
      if (which === 1) return api.post('/auth/switch-organization', { organization: made.id }, { token });
      if (which === 2) return api.post('/auth/refresh', { refreshToken, organization: made.id });
      if (which === 3)
        return api.post(
          '/auth/switch-organization',
          { organization: made.slug, refreshToken: at.refreshToken },
          { token: at.accessToken },
        );
      return api.get(CURRENT, { token: at.accessToken });
    });
    t.equal(replies[0]?.status, 204);
    for (const { status, code } of replies) seen.set(`${status} ${code}`, (seen.get(`${status} ${code}`) ?? 0) + 1);
  }
  const bad = [...seen.keys()].filter((answer) => answer.startsWith('5'));
  t.strictSame(bad, [], `${rounds(50)} rounds: ${JSON.stringify([...seen])}`);
});

t.test('a session that is opened for the organization at the moment of the deletion is refused', async (t) => {
  const { api } = await openService(t, database);
  const { owner, id } = await furnished(api);
  const token = await tokenElsewhere(t, api, owner);
  const going = await openTransaction(t, database);
  await going.query('DELETE FROM organizations WHERE id = $1', [id]);
  const waiting = [
    api.post('/auth/login', { ...loginOf(owner), organization: id }),
    api.post('/auth/switch-organization', { organization: id }, { token }),
  ];
  await waiters(database, 2);
  await going.query('COMMIT');
  for (const reply of await Promise.all(waiting)) refused(t, reply, 'organization_access_denied', 'refused');
});

/** Returns a token of the same user that acts for another of the user's organizations. */
async function tokenElsewhere(t: Test, api: Api, account: Account): Promise<string> {
  const made = await api.post('/organizations', { name: 'Elsewhere' }, { token: account.accessToken });
  t.equal(made.status, 201);
  return (await signIn(api, account, made.body.data.id)).accessToken;
}
