// The decision function alone: which assignment grants which permission in which scope, and the content of the
// explanation.
import t from 'tap';
import { decide } from '../../../src/access/checks/decide.ts';
import { type MemberGrants, toMemberGrants } from '../../../src/access/checks/member-grants.ts';
import type { MemberGrantsRow } from '../../../src/access/checks/store.ts';
import type { Scope } from '../../../src/directory/rights/scope.ts';

interface Given {
  readonly permissions: readonly string[];
  readonly scope?: Scope;
  readonly level?: number;
}

/** The rights of an active member with these roles. The roles are named r0, r1 … in their order. */
function holder(
  given: readonly Given[],
  changed: Partial<MemberGrantsRow['members'][number]> = {},
): MemberGrants | undefined {
  const row: MemberGrantsRow = {
    status: 'active',
    rolesEpoch: 0,
    roles: given.map(({ permissions, level }, at) => ({ id: `${at}`, name: `r${at}`, level: level ?? 1, permissions })),
    members: [
      {
        userId: 'u',
        status: 'active',
        userStatus: 'active',
        epoch: 0,
        assignments: given.map(({ scope }, at) => ({ id: `a${at}`, roleId: `${at}`, scope: scope ?? {} })),
        ...changed,
      },
    ],
  };
  return toMemberGrants('o', row).get('u');
}

t.test('a scoped assignment grants only where all of its keys have the same value of the same type', async (t) => {
  const table: [Scope, Scope, boolean][] = [
    [{}, {}, true],
    [{}, { project: 'p1' }, true],
    [{ project: 'p1' }, {}, false],
    [{ project: 'p1' }, { project: 'p1' }, true],
    [{ project: 'p1' }, { project: 'p2' }, false],
    [{ project: 'p1' }, { project: 'P1' }, false],
    [{ project: 'p1' }, { Project: 'p1' }, false],
    [{ project: 'p1' }, { project: 'p1 ' }, false],
    [{ project: 'é' }, { project: 'e\u0301' }, false],
    [{ project: 'p1' }, { project: 'p1', region: 'eu' }, true],
    [{ project: 'p1', region: 'eu' }, { project: 'p1' }, false],
    [{ project: 'p1', region: 'eu' }, { region: 'eu', project: 'p1' }, true],
    [{ project: 'p1', region: 'eu' }, { region: 'us', project: 'p1' }, false],
    [{ project: 1 }, { project: 1 }, true],
    [{ project: 1 }, { project: '1' }, false],
    [{ project: '1' }, { project: 1 }, false],
    [{ project: 1 }, { project: true }, false],
    [{ project: true }, { project: true }, true],
    [{ project: true }, { project: 'true' }, false],
    [{ project: false }, { project: 0 }, false],
    [{ project: false }, {}, false],
    [{ project: 0 }, {}, false],
    [{ project: '' }, {}, false],
    [{ project: '' }, { project: '' }, true],
    [{ toString: 'x' }, {}, false],
    [{ project: '*' }, { project: 'p1' }, false],
    [{ project: 'p1' }, { project: '*' }, false],
  ];
  for (const [scope, asked, allowed] of table) {
    const decision = decide(holder([{ permissions: ['deals:write'], scope }]), {
      permission: 'deals:write',
      scope: asked,
    });
    const reason = allowed ? 'granted' : 'scope_mismatch';
    t.match(decision, { allowed, reason }, `${JSON.stringify(scope)} asked for ${JSON.stringify(asked)}`);
  }
});

t.test('two scoped assignments together grant only what one of them grants alone', async (t) => {
  const given = [
    { permissions: ['deals:write'], scope: { project: 'p1' } },
    { permissions: ['deals:write'], scope: { region: 'eu' } },
    { permissions: ['deals:read'] },
  ];
  const ask = (scope: Scope) => decide(holder(given), { permission: 'deals:write', scope }).allowed;
  t.same(
    [{}, { project: 'p1' }, { region: 'eu' }, { project: 'p2', region: 'us' }, { project: 'p2', region: 'eu' }].map(
      ask,
    ),
    [false, true, true, false, true],
  );
});

t.test('a permission pattern matches whole parts and exact letters only', async (t) => {
  const table: [string, string, boolean][] = [
    ['deals:write', 'deals:write', true],
    ['deals:write', 'deals:read', false],
    ['deals:write', 'deal:write', false],
    ['deals:write', 'deals:writer', false],
    ['deals:*', 'deals:write', true],
    ['deals:*', 'deals_archive:write', false],
    ['*:write', 'deals:write', true],
    ['*:write', 'deals:read', false],
    ['*:*', 'anything:at-all_1', true],
    ['deals:*', '*:write', false],
  ];
  for (const [held, permission, allowed] of table) {
    const decision = decide(holder([{ permissions: ['other:thing', held] }]), { permission, scope: {} });
    t.match(decision, { allowed, reason: allowed ? 'granted' : 'no_permission' }, `${held} for ${permission}`);
    if (allowed) t.match(decision.explanation, { permission: held }, 'the explanation names the pattern');
  }
});

t.test('a granted check names the widest scope, the highest role and the narrowest pattern', async (t) => {
  const given = [
    { permissions: ['deals:write'], scope: { project: 'p1' }, level: 99 },
    { permissions: ['*:*', 'deals:*', 'deals:write'], level: 20 },
    { permissions: ['deals:*'], level: 30 },
  ];
  const { explanation } = decide(holder(given), { permission: 'deals:write', scope: { project: 'p1' } });
  t.strictSame(explanation, { permission: 'deals:*', role: { id: '2', name: 'r2' }, assignmentId: 'a2', scope: {} });
  const scoped = decide(holder(given.slice(0, 1)), { permission: 'deals:write', scope: { project: 'p1' } });
  t.strictSame(scoped.explanation, {
    permission: 'deals:write',
    role: { id: '0', name: 'r0' },
    assignmentId: 'a0',
    scope: { project: 'p1' },
  });
});

t.test('a refused check names the missing permission, the member’s roles, and roles that would grant it', async (t) => {
  const given = [
    { permissions: ['deals:write'], scope: { project: 'p1' } },
    { permissions: ['deals:read'], level: 5 },
  ];
  const mismatch = decide(holder(given), { permission: 'deals:write', scope: {} });
  t.strictSame(mismatch, {
    allowed: false,
    reason: 'scope_mismatch',
    explanation: {
      missing: 'deals:write',
      heldRoles: ['r1', 'r0'],
      wouldGrant: [{ role: { id: '0', name: 'r0' }, scope: { project: 'p1' } }],
    },
  });
  const without = decide(holder(given), { permission: 'deals:delete', scope: { project: 'p1' } });
  t.strictSame(without.explanation, { missing: 'deals:delete', heldRoles: ['r1', 'r0'], wouldGrant: [] });
  t.strictSame(decide(undefined, { permission: 'deals:read', scope: {} }), {
    allowed: false,
    reason: 'not_a_member',
    explanation: { missing: 'deals:read', heldRoles: [], wouldGrant: [] },
  });
});

t.test('no role grants anything to a suspended member or a disabled user', async (t) => {
  const all = [{ permissions: ['*:*'] }];
  const ask = (grants: MemberGrants | undefined) => decide(grants, { permission: 'deals:read', scope: {} });
  t.match(ask(holder(all)), { allowed: true });
  t.match(ask(holder(all, { status: 'suspended' })), { allowed: false, reason: 'membership_suspended' });
  t.match(ask(holder(all, { userStatus: 'disabled' })), { allowed: false, reason: 'user_disabled' });
  const held = holder(all);
  const suspended = held && { ...held, organizationActive: false };
  t.match(ask(suspended), {
    allowed: false,
    reason: 'organization_suspended',
    explanation: { missing: 'deals:read', wouldGrant: [{ role: { name: 'r0' }, scope: {} }] },
  });
});
