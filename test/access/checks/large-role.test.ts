// A role with more permissions than fit into a token: the routes that need one of these permissions, the profile, and
// checks.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { partsOf } from '../../support/forge.ts';
import { openService } from '../../support/service.ts';
import { changeRights } from './rights.ts';

t.test('permissions that do not fit into the token are still granted, until the role is removed', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  await app.parts.revocations.synchronize(); // from now on memory may answer a check
  const owner = await newAccount(api);
  const { email, password, userId } = await newAccount(api);
  const organizationId = owner.organization.id;
  const permissions = Array.from({ length: 300 }, (_, at) => `thing${at}:read`);
  permissions[150] = 'organization:read';
  permissions[151] = 'users:read';
  await seedMembership(database, { organizationId, userId });
  const roleId = await seedRole(database, organizationId, { name: 'everything', permissions });
  const narrow = await seedRole(database, organizationId, {
    name: 'elsewhere',
    permissions: ['users:invite', 'roles:read'],
  });
  await assignRole(database, { organizationId, userId, roleId });
  await assignRole(database, { organizationId, userId, roleId: narrow }, { team: 'north' });
  const signIn = async () => {
    const reply = await api.post('/auth/login', { email, password, organization: organizationId });
    return { token: reply.body.data.accessToken as string };
  };
  const caller = await signIn();
  const { claims } = partsOf(caller.token);
  t.same([claims.permissions_ref, claims.permissions], [true, undefined], 'the token carries none of them');

  t.same((await api.get('/me', caller)).body.data.permissions, permissions.toSorted());
  t.equal((await api.get('/organizations/current', caller)).status, 200);
  t.equal((await api.get('/users', caller)).status, 200);
  t.equal((await api.patch('/organizations/current', { name: 'Acme' }, caller)).code, 'permission_denied');
  const invited = await api.post('/authz/check', { resource: 'users', action: 'invite' }, caller);
  t.same(invited.body.data, { allowed: false, reason: 'scope_mismatch' }, 'a scoped role does not suffice');
  t.equal((await api.get('/roles', caller)).code, 'permission_denied', 'a scoped role gives no access to the route');
  const other = { resource: 'deals', action: 'read', userId: owner.userId };
  t.match((await api.post('/authz/check', other, caller)).body.data, { allowed: true }, 'users:read is one of them');

  const held = (first: number) => permissions.map((permission, at) => (at < first ? permission : `other${at}:read`));
  await changeRights(
    app,
    { organizationId, userId },
    `UPDATE roles SET permissions = '{${held(150).join()}}'
     WHERE organization_id = $1::uuid AND name = 'everything' AND $2::uuid IS NOT NULL`,
  );
  t.equal((await api.get('/users', caller)).code, 'token_stale', 'the old token is refused at once');
  const next = await signIn();
  t.equal(partsOf(next.token).claims.permissions_ref, true);
  for (const path of ['/users', '/organizations/current']) {
    t.equal((await api.get(path, next)).code, 'permission_denied', `a new token has no access to ${path}`);
  }
  t.equal((await api.post('/authz/check', other, next)).code, 'permission_denied');
});
