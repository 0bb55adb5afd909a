// The catalogue of permissions: it contains the permissions of all routes and of the visible roles, and none of other
// organizations.
import t from 'tap';
import { describedEndpoints } from '../../../scripts/generate/endpoints.ts';
import { OWN_PERMISSIONS } from '../../../src/directory/permissions/list-known.ts';
import { listPresets, readPreset } from '../../../src/directory/presets/presets.ts';
import { permits } from '../../../src/protocol/permission.ts';
import { seedRole } from '../../support/fixtures/roles.ts';
import { furtherTeam, openTeam } from '../../support/fixtures/team.ts';

interface Known {
  readonly permission: string;
}

t.test('every permission that a route needs is in the catalogue, with its own description', async (t) => {
  const needed = describedEndpoints().flatMap(({ access }) => ('permission' in access ? [access.permission] : []));
  t.ok(needed.length > 0);
  t.same(
    needed.filter((permission) => !(permission in OWN_PERMISSIONS)),
    [],
  );
  const sentences = Object.values(OWN_PERMISSIONS);
  t.equal(new Set(sentences).size, sentences.length);
});

t.test('an owner has all of Tenantry’s own permissions, in every preset', async (t) => {
  for (const name of listPresets()) {
    const owner = readPreset(name).roles.find(({ ownership }) => ownership);
    const missing = Object.keys(OWN_PERMISSIONS).filter((own) => !permits(owner?.permissions ?? [], own));
    t.same(missing, [], name);
  }
});

t.test('the catalogue lists Tenantry’s permissions, those of visible roles, and wildcards', async (t) => {
  const { api, database, organization, join } = await openTeam(t);
  const { token } = await join('owner');
  await seedRole(database, organization.id, {
    name: 'own',
    permissions: ['reports:read', 'deals:*', 'deals:read'],
  });
  const other = await furtherTeam(database, api);
  await seedRole(database, other.organization.id, { name: 'foreign', permissions: ['secret:plan'] });

  const { status, body } = await api.get('/permissions?limit=100', { token });
  t.equal(status, 200);
  const permissions = body.data.map(({ permission }: Known) => permission);
  const crm = readPreset('crm').roles.flatMap((role) => role.permissions);
  const expected = new Set([...crm, ...Object.keys(OWN_PERMISSIONS), 'reports:read', 'deals:*']);
  t.strictSame(
    permissions,
    [...expected].sort(),
    'each permission is listed once and in order, and no permission of another organization is listed',
  );
  const entry = (wanted: string) => body.data.find(({ permission }: Known) => permission === wanted);
  t.strictSame(entry('users:invite'), {
    resource: 'users',
    action: 'invite',
    permission: 'users:invite',
    description: 'Invite people and manage the invitations.',
    source: 'tenantry',
  });
  const ofRoles = { description: null, source: 'roles' };
  t.strictSame(entry('*:*'), { resource: '*', action: '*', permission: '*:*', ...ofRoles });
  t.strictSame(entry('deals:*'), { resource: 'deals', action: '*', permission: 'deals:*', ...ofRoles });

  const total = permissions.length;
  const part = await api.get('/permissions?limit=3&offset=2', { token });
  t.strictSame(part.body, { data: body.data.slice(2, 5), pagination: { total, limit: 3, offset: 2, hasMore: true } });
  const past = await api.get(`/permissions?offset=${total}`, { token });
  t.strictSame(past.body, { data: [], pagination: { total, limit: 20, offset: total, hasMore: false } });
});
