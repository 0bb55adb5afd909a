// The function that matches permissions, and what the shipped roles allow. The tables are written by hand, not read
// from the YAML.
import t from 'tap';
import { listPresets, readPreset } from '../../../src/directory/presets/presets.ts';
import { canonicalPermissions, PERMISSION_PATTERN, permits } from '../../../src/protocol/permission.ts';

t.test('a permission is granted by itself, by a wildcard for its resource or action, or by "*:*"', async (t) => {
  const table: [held: string[], wanted: string, answer: boolean][] = [
    [['deals:read'], 'deals:read', true],
    [['deals:read'], 'deals:write', false],
    [['deals:read'], 'contacts:read', false],
    [['deals:*'], 'deals:write', true],
    [['deals:*'], 'contacts:write', false],
    [['*:read'], 'contacts:read', true],
    [['*:read'], 'contacts:write', false],
    [['*:*'], 'anything:at-all', true],
    [['contacts:read', 'deals:write'], 'deals:write', true],
    [[], 'deals:read', false],
    [['deals:read'], 'deals:*', false],
    [['deals:read'], '*:*', false],
    [['deals:*'], '*:*', false],
    [['Deals:read'], 'deals:read', false],
    [['deals:rea'], 'deals:read', false],
    [['deal'], 'deals:read', false],
    [['deals:re*'], 'deals:read', false],
    [['*'], 'deals:read', false],
    [['deals'], 'deals:read', false],
  ];
  for (const [held, wanted, answer] of table) t.equal(permits(held, wanted), answer, `[${held}] ${wanted}`);
});

t.test('a permission has two parts, and each part is a name or "*"', async (t) => {
  for (const good of ['deals:read', 'a:b', '*:*', 'deals:*', '*:read', 'phone-numbers:read_all', `a:${'b'.repeat(40)}`])
    t.match(good, PERMISSION_PATTERN);
  for (const bad of [
    '',
    'deals',
    ':',
    'deals:',
    ':read',
    'a:b:c',
    'Deals:read',
    '1a:b',
    'deals:re*',
    'deals: read',
    'deals:read\n',
    '**:*',
    `a:${'b'.repeat(41)}`,
    '*',
  ]) {
    t.notMatch(bad, PERMISSION_PATTERN, JSON.stringify(bad));
  }
  t.strictSame(
    canonicalPermissions(['b:c', 'a:b', 'b:c', '*:*']),
    ['*:*', 'a:b', 'b:c'],
    'the permissions are sorted, without repeats',
  );
});

// Each line is a permission and every role that grants it. Roles that are not in the line do not grant it.
const MATRICES: Readonly<Record<string, { readonly roles: [name: string, level: number][]; readonly matrix: string }>> =
  {
    crm: {
      roles: [
        ['owner', 100],
        ['admin', 80],
        ['agent', 40],
        ['viewer', 20],
      ],
      matrix: `
contacts:read        owner admin agent viewer
contacts:write       owner admin agent
contacts:delete      owner admin
conversations:read   owner admin agent viewer
conversations:write  owner admin agent
conversations:assign owner admin
deals:read           owner admin agent viewer
deals:write          owner admin agent
deals:delete         owner admin
integrations:read    owner admin
integrations:write   owner admin
users:read           owner admin agent
users:invite         owner admin
users:update         owner admin
users:remove         owner
users:*              owner
billing:manage       owner
organization:read    owner admin agent
organization:update  owner admin
organization:delete  owner
roles:read           owner admin
roles:write          owner admin
sessions:read        owner admin
sessions:revoke      owner admin
audit:read           owner admin
clients:manage       owner
webhooks:manage      owner
revocations:read     owner
anything:at-all      owner
*:read               owner
*:*                  owner`,
    },
    workspace: {
      roles: [
        ['admin', 100],
        ['member', 40],
        ['billing', 20],
      ],
      matrix: `
documents:read       admin member
documents:write      admin member
documents:delete     admin
projects:read        admin member
projects:write       admin member
projects:delete      admin
billing:manage       admin billing
users:read           admin member
users:invite         admin
users:update         admin
users:remove         admin
users:*              admin
organization:read    admin member billing
organization:update  admin
organization:delete  admin
roles:read           admin
roles:write          admin
sessions:read        admin
sessions:revoke      admin
audit:read           admin
clients:manage       admin
webhooks:manage      admin
revocations:read     admin
anything:at-all
*:read
*:*`,
    },
    callcenter: {
      roles: [
        ['admin', 100],
        ['manager', 60],
        ['agent', 30],
      ],
      matrix: `
calls:read           admin manager agent
calls:handle         admin manager agent
calls:assign         admin manager
calls:monitor        admin manager
queues:read          admin manager agent
queues:manage        admin manager
recordings:read      admin manager
recordings:delete    admin
reports:read         admin manager
billing:manage       admin
users:read           admin manager agent
users:invite         admin manager
users:update         admin
users:remove         admin
users:*              admin
organization:read    admin manager agent
organization:update  admin
organization:delete  admin
roles:read           admin manager
roles:write          admin
sessions:read        admin
sessions:revoke      admin
audit:read           admin
clients:manage       admin
webhooks:manage      admin
revocations:read     admin
anything:at-all
*:read
*:*`,
    },
    agents: {
      roles: [['org_admin', 100]],
      matrix: `
agent:manage         org_admin
workflow:execute     org_admin
agent:execute
workflow:manage
billing:manage
users:read           org_admin
users:invite         org_admin
users:update         org_admin
users:remove         org_admin
users:*              org_admin
organization:read    org_admin
organization:update  org_admin
organization:delete  org_admin
roles:read           org_admin
roles:write          org_admin
sessions:read        org_admin
sessions:revoke      org_admin
audit:read           org_admin
clients:manage       org_admin
webhooks:manage      org_admin
revocations:read     org_admin
anything:at-all
*:read
*:*`,
    },
  };

t.test('every shipped preset has a table in this file', async (t) => {
  t.strictSame(listPresets(), Object.keys(MATRICES).sort());
});

for (const [name, { roles: expected, matrix }] of Object.entries(MATRICES)) {
  t.test(`the ${name} preset allows what its table says and nothing else`, async (t) => {
    const preset = readPreset(name);
    t.equal(preset.name, name);
    t.strictSame(
      preset.roles.map((role) => [role.name, role.level]),
      expected,
    );
    const rows = matrix.trim().split('\n');
    const table = rows.map((line) => line.split(/\s+/)) as [string, ...string[]][];
    for (const [permission, ...holders] of table) {
      for (const role of preset.roles) {
        t.equal(permits(role.permissions, permission), holders.includes(role.name), `${role.name} ${permission}`);
      }
    }
    const known = new Set(table.map(([permission]) => permission));
    const held = preset.roles.flatMap(({ permissions }) => permissions);
    t.same(
      held.filter((permission) => !known.has(permission)),
      [],
      'no role has a permission that is not in the table',
    );
  });

  t.test(`the highest role of the ${name} preset gives ownership, and no other role does`, async (t) => {
    const owners = readPreset(name).roles.filter(({ ownership }) => ownership);
    t.strictSame(
      owners.map((role) => role.name),
      [expected[0]?.[0]],
    );
  });
}

t.test('the owner role of the crm preset has the single permission "*:*"', async (t) => {
  t.strictSame(readPreset('crm').roles[0]?.permissions, ['*:*']);
});
