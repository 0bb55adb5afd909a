// The users, organizations and tokens of the tenant fuzz test. There are users in several organizations, suspended
// members, a suspended organization, users who signed in before they became members, and stale tokens.
import { randomUUID } from 'node:crypto';
import type { TestDatabase } from '../support/database.ts';
import { seedInvitation } from '../support/fixtures/invitations.ts';
import { seedOrganization, seedPerson, signInPerson } from '../support/fixtures/people.ts';
import { assignRole, seedRole } from '../support/fixtures/roles.ts';
import type { Service } from '../support/service.ts';
import type { Bearer, Model, ModelMembership, ModelRole } from './model.ts';

const ORGANIZATIONS = 6;
const PEOPLE = 16;

/** Returns a generator of numbers less than `below` (mulberry32). The same seed gives the same numbers. */
export function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

async function systemRoles(database: TestDatabase): Promise<ModelRole[]> {
  const rows = await database.query<{ id: string; name: string; permissions: string[] }>(
    'SELECT id, name, permissions FROM roles WHERE organization_id IS NULL',
  );
  return rows.map((row) => ({ ...row, organization: null }));
}

async function join(database: TestDatabase, membership: ModelMembership): Promise<void> {
  const { organization, person, active, roles } = membership;
  await database.query('INSERT INTO memberships (organization_id, user_id, status) VALUES ($1, $2, $3)', [
    organization.id,
    person.userId,
    active ? 'active' : 'suspended',
  ]);
  for (const role of roles) {
    await assignRole(database, { organizationId: organization.id, userId: person.userId, roleId: role.id });
  }
}

export interface Population {
  readonly model: Model;
  readonly bearers: readonly Bearer[];
}

/**
 * Inserts the rows. Signs every user in without an organization, and to each organization in which the user is active.
 */
export async function populate(
  { api, app }: Service,
  database: TestDatabase,
  below: ReturnType<typeof chance>,
): Promise<Population> {
  const organizations = await Promise.all(Array.from({ length: ORGANIZATIONS }, () => seedOrganization(database)));
  const people = await Promise.all(Array.from({ length: PEOPLE }, () => seedPerson(database)));
  const bearers: Bearer[] = [];
  for (const person of people) {
    const { accessToken } = await signInPerson(api, person);
    bearers.push({ person, organization: null, stale: false, token: accessToken });
  }
  const roles = await systemRoles(database);
  for (const organization of organizations) {
    for (const permissions of [['users:read', 'roles:read'], ['*:read'], ['users:*', 'sessions:read']]) {
      const name = `custom-${randomUUID().slice(0, 8)}`;
      const id = await seedRole(database, organization.id, { name, level: 30, permissions });
      roles.push({ id, name, organization, permissions });
    }
  }
  const memberships: ModelMembership[] = [];
  for (const organization of organizations) {
    const possible = roles.filter((role) => role.organization === null || role.organization === organization);
    for (const person of people) {
      if (below(100) >= 45) continue;
      const chosen = Array.from({ length: 1 + below(2) }, () => possible[below(possible.length)]);
      const held = [...new Set(chosen)].filter((role) => role !== undefined);
      const membership = { person, organization, active: below(100) < 80, roles: held };
      await join(database, membership);
      memberships.push(membership);
    }
  }
  for (const { person, organization, active } of memberships) {
    if (!active) continue;
    const { accessToken } = await signInPerson(api, person, organization.id);
    bearers.push({ person, organization, stale: false, token: accessToken });
  }
  const suspended = new Set(organizations.slice(-1));
  for (const { id } of suspended) {
    await database.query("UPDATE organizations SET status = 'suspended' WHERE id = $1", [id]);
    app.parts.publish([{ kind: 'organization', org: id, state: 'suspended', at: Date.now() }]);
  }
  // A revocation says that the rights of the last two users have changed after their sign-in, so every route must
  // refuse their tokens.
  const changed = new Set(people.slice(-2));
  app.parts.publish([...changed].map(({ userId }) => ({ kind: 'user', sub: userId, epoch: 1 })));
  const invite = async (organizationId: string) =>
    (await seedInvitation(database, organizationId, { email: `${randomUUID()}@example.com` })).id;
  const invitations = new Map(
    await Promise.all(
      organizations.map(async (organization) => [await invite(organization.id), organization] as const),
    ),
  );
  const judged = bearers.map((bearer) => ({ ...bearer, stale: changed.has(bearer.person) }));
  return { model: { organizations, suspended, memberships, roles, invitations }, bearers: judged };
}
