// Permission checks over HTTP: every reason, explanations, batches, and which caller may ask about which user.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import type { CallOptions, Reply } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedMember, seedMembership, seedOrganizationOf } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { openService } from '../../support/service.ts';

const READ = { resource: 'contacts', action: 'read' };
const WRITE = { resource: 'contacts', action: 'write' };

/** An organization with its owner. Requests use the owner's token unless another one is given. */
async function office(t: Test) {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  await app.parts.revocations.synchronize(); // from now on memory may answer a check
  const owner = await newAccount(api);
  const organizationId = owner.organization.id;
  const ask = (question: object, options: CallOptions = {}) =>
    api.post('/authz/check', question, { token: owner.accessToken, ...options });
  const askAll = (checks: unknown, options: CallOptions = {}) =>
    api.post('/authz/check/batch', { checks }, { token: owner.accessToken, ...options });
  /** A user with a password who acts for the organization in a system role. */
  const signedInAs = async (role: string) => {
    const { email, password, userId } = await newAccount(api);
    await seedMembership(database, { organizationId, userId, role });
    const signedIn = await api.post('/auth/login', { email, password, organization: organizationId });
    return { userId, token: signedIn.body.data.accessToken as string };
  };
  return { database, api, owner, organizationId, ask, askAll, signedInAs };
}

function refused(t: Test, reply: Reply, status: number, code: string, about: string): void {
  t.match(reply, { status, code }, about);
}

t.test('each reason is returned in its own case, in a 200 answer and never as an error', async (t) => {
  const { database, ask, organizationId } = await office(t);
  const member = (role?: string) => seedMember(database, organizationId, role);
  const scoped = await member();
  const roleId = await seedRole(database, organizationId, { name: 'writer', permissions: ['contacts:write'] });
  await assignRole(database, { organizationId, userId: scoped, roleId }, { team: 'north' });
  const [suspended, disabled] = [await member('owner'), await member('owner')];
  await database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [suspended]);
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [disabled]);
  const stranger = await seedMember(database, await seedOrganizationOf(database, scoped, { slug: 'globex' }), 'owner');

  const table: [object, boolean, string][] = [
    [READ, true, 'granted'],
    [{ ...READ, userId: await member('viewer') }, true, 'granted'],
    [{ ...WRITE, userId: await member('viewer') }, false, 'no_permission'],
    [{ ...READ, userId: await member() }, false, 'no_permission'],
    [{ ...WRITE, userId: scoped }, false, 'scope_mismatch'],
    [{ ...WRITE, userId: scoped, scope: { team: 'south' } }, false, 'scope_mismatch'],
    [{ ...WRITE, userId: scoped, scope: { team: 'north', desk: 4 } }, true, 'granted'],
    [{ ...READ, userId: scoped, scope: { team: 'north' } }, false, 'no_permission'],
    [{ ...READ, userId: suspended }, false, 'membership_suspended'],
    [{ ...READ, userId: disabled }, false, 'user_disabled'],
    [{ ...READ, userId: stranger }, false, 'not_a_member'],
    [{ ...READ, userId: randomUUID() }, false, 'not_a_member'],
  ];
  for (const [question, allowed, reason] of table) {
    const reply = await ask(question);
    t.equal(reply.status, 200);
    t.strictSame(reply.body, { data: { allowed, reason } }, JSON.stringify(question));
  }
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [organizationId]);
  const { data } = (await ask({ ...READ, userId: await member('owner') })).body;
  t.strictSame(data, { allowed: false, reason: 'organization_suspended' });
});

t.test('a user of another organization gets the same answer as a user who does not exist', async (t) => {
  const { database, api, ask, askAll } = await office(t);
  const { userId } = await newAccount(api);
  for (const explain of [false, true]) {
    const [foreign, unknown] = await Promise.all(
      [userId, randomUUID()].map((id) => ask({ ...READ, userId: id, explain })),
    );
    t.equal(foreign?.text, unknown?.text);
    t.equal(foreign?.status, 200);
  }
  const { data } = (await askAll([userId, randomUUID()].map((id) => ({ ...READ, userId: id, explain: true })))).body;
  t.strictSame(data[0], data[1]);
  await database.query('DELETE FROM users WHERE id = $1', [userId]);
  t.equal((await ask({ ...READ, userId })).body.data.reason, 'not_a_member', 'a removed user is not a member');
});

t.test('an explanation contains the current names of role and assignment, or the missing right', async (t) => {
  const { database, ask, organizationId } = await office(t);
  const userId = await seedMember(database, organizationId, 'viewer');
  const roleId = await seedRole(database, organizationId, { name: 'writer', permissions: ['contacts:*'] });
  const assignmentId = await assignRole(database, { organizationId, userId, roleId }, { team: 'north', desk: 4 });
  const question = { ...WRITE, userId, explain: true };
  const yes = await ask({ ...question, scope: { desk: 4, team: 'north' } });
  t.strictSame(yes.body.data, {
    allowed: true,
    reason: 'granted',
    explanation: {
      permission: 'contacts:*',
      role: { id: roleId, name: 'writer' },
      assignmentId,
      scope: { team: 'north', desk: 4 },
    },
  });
  await database.query(`UPDATE roles SET name = 'editor' WHERE id = $1`, [roleId]);
  const no = await ask({ ...question, scope: { team: 'north' } });
  t.strictSame(no.body.data, {
    allowed: false,
    reason: 'scope_mismatch',
    explanation: {
      missing: 'contacts:write',
      heldRoles: ['viewer', 'editor'],
      wouldGrant: [{ role: { id: roleId, name: 'editor' }, scope: { team: 'north', desk: 4 } }],
    },
  });
});

t.test('a batch of 1 to 100 questions is answered in order, each with its own explain option', async (t) => {
  const { database, askAll, owner, organizationId } = await office(t);
  const viewer = await seedMember(database, organizationId, 'viewer');
  const questions = Array.from({ length: 100 }, (_, at) => {
    const userId = [owner.userId, viewer, randomUUID()][at % 3];
    return { ...(at % 2 ? READ : WRITE), userId, ...(at === 7 ? { explain: true } : {}) };
  });
  const expected = questions.map((_, at) => {
    if (at % 3 === 2) return { allowed: false, reason: 'not_a_member' };
    const allowed = at % 3 === 0 || at % 2 === 1;
    return { allowed, reason: allowed ? 'granted' : 'no_permission' };
  });
  const { status, body } = await askAll(questions);
  t.equal(status, 200);
  t.match(body.data[7].explanation, { permission: 'contacts:read', role: { name: 'viewer' } });
  t.strictSame(
    body.data.map(({ allowed, reason }: { allowed: boolean; reason: string }) => ({ allowed, reason })),
    expected,
  );
  t.equal(body.data.filter((answer: object) => 'explanation' in answer).length, 1);
  t.strictSame((await askAll([READ])).body, { data: [{ allowed: true, reason: 'granted' }] });
  for (const wrong of [[], [...questions, READ], {}, undefined, null, [null]]) {
    refused(t, await askAll(wrong), 422, 'validation_failed', `${JSON.stringify(wrong)?.length} characters`);
  }
});

t.test('users may ask about themselves; a question about other users needs an unscoped users:read', async (t) => {
  const { database, ask, askAll, owner, organizationId, signedInAs } = await office(t);
  const viewer = await signedInAs('viewer');
  t.match((await ask(READ, viewer)).body.data, { allowed: true });
  t.match((await ask({ ...READ, userId: viewer.userId.toUpperCase() }, viewer)).body.data, { allowed: true });
  t.match((await askAll([READ, { ...WRITE, userId: viewer.userId }], viewer)).body.data, [
    { allowed: true },
    { allowed: false },
  ]);
  for (const userId of [owner.userId, randomUUID()]) {
    refused(t, await ask({ ...READ, userId }, viewer), 403, 'permission_denied', 'one question');
    refused(
      t,
      await askAll([READ, { ...READ, userId }], viewer),
      403,
      'permission_denied',
      'the whole batch is refused',
    );
  }
  const roleId = await seedRole(database, organizationId, { name: 'reader', permissions: ['users:read'] });
  await assignRole(database, { organizationId, userId: viewer.userId, roleId }, { team: 'north' });
  const scoped = { ...READ, userId: owner.userId, scope: { team: 'north' } };
  refused(t, await ask(scoped, viewer), 403, 'permission_denied', 'a scoped users:read does not suffice');
  t.equal((await ask({ ...READ, userId: owner.userId }, await signedInAs('agent'))).status, 200);
});

t.test('a question needs an organization: from the token or from a header', async (t) => {
  const { database, api, ask, owner, organizationId } = await office(t);
  const alone = await newAccountWithoutOrganization(api);
  refused(t, await ask(READ, { token: alone.accessToken }), 403, 'organization_required', 'none');
  refused(t, await ask(READ, { token: 'x.y.z' }), 401, 'invalid_token', 'a bad token');
  const headers = { 'x-tenant-id': organizationId };
  refused(t, await ask(READ, { token: alone.accessToken, headers }), 403, 'organization_access_denied', 'not theirs');
  await seedMembership(database, { organizationId, userId: alone.userId, role: 'viewer' });
  t.match((await ask(READ, { token: alone.accessToken, headers })).body.data, { allowed: true });
  const globex = await seedOrganizationOf(database, owner.userId, { slug: 'globex' });
  const other = { 'x-tenant-id': globex };
  refused(t, await ask(READ, { headers: other }), 403, 'tenant_mismatch', 'a header that differs from the token');
});

t.test('a question has no wildcards, no unknown fields and a flat scope', async (t) => {
  const { ask, api, owner } = await office(t);
  const long = 'a'.repeat(41);
  const keys = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, at]));
  const wrong: object[] = [
    ...['*', '', 'Contacts', '1contacts', 'con tacts', 'contacts:read', long].flatMap((name) => [
      { ...READ, resource: name },
      { ...READ, action: name },
    ]),
    { resource: 'contacts' },
    { ...READ, userId: 'me' },
    { ...READ, userId: null },
    { ...READ, organizationId: owner.organization.id },
    { ...READ, explain: 'yes' },
    ...[null, 'team', ['team'], { team: null }, { team: ['a'] }, { team: { a: 1 } }, { deal: 2 ** 53 }, keys(11)].map(
      (scope) => ({
        ...READ,
        scope,
      }),
    ),
    ...['1', 'a.b', 'constructor', 'prototype', long].map((key) => ({ ...READ, scope: { [key]: 1 } })),
    ...['a'.repeat(201), 'a\u0000b', 'a\nb'].map((team) => ({ ...READ, scope: { team } })),
  ];
  for (const question of wrong) refused(t, await ask(question), 422, 'validation_failed', JSON.stringify(question));
  const poisoned = await api.call('POST', '/authz/check', undefined, {
    token: owner.accessToken,
    headers: { 'content-type': 'application/json' },
    raw: `{"resource":"contacts","action":"read","scope":{"__proto__":{"team":"north"}}}`,
  });
  refused(t, poisoned, 422, 'validation_failed', 'a key that would change a prototype');
  t.match((await ask({ ...READ, scope: keys(10) })).body.data, { allowed: true });
});
