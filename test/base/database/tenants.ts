// Inserts organizations with members for tests of the database itself, and reads the rows that a scope sees.
import { type Reader, statement } from '../../../src/base/database/db.ts';
import type { TestDatabase } from '../../support/database.ts';
import { seedMembership, seedOrganization, seedPerson } from '../../support/fixtures/people.ts';

export interface Tenant {
  readonly organizationId: string;
  readonly userId: string;
}

/** Inserts `count` organizations. Each has one member of its own, who is also a member of the next organization. */
export async function seedTenants(database: TestDatabase, count: number): Promise<Tenant[]> {
  const all: Tenant[] = [];
  for (let made = 0; made < count; made += 1) {
    const { userId } = await seedPerson(database);
    all.push({ organizationId: (await seedOrganization(database)).id, userId });
  }
  for (const [index, { userId }] of all.entries()) {
    for (const step of [0, 1]) {
      const { organizationId } = all[(index + step) % count] as Tenant;
      await seedMembership(database, { organizationId, userId });
    }
  }
  return all;
}

export const VISIBLE = statement(`
SELECT (SELECT coalesce(array_agg(id::text ORDER BY id), '{}') FROM organizations) AS organizations,
  (SELECT coalesce(array_agg(id::text ORDER BY id), '{}') FROM users) AS users,
  (SELECT count(*)::int FROM memberships) AS memberships,
  (SELECT count(*)::int FROM passwords) AS passwords`);

export interface Visible {
  organizations: string[];
  users: string[];
  memberships: number;
  passwords: number;
}

/** Returns the ids or the numbers of the rows that the scope sees. */
export async function visible(asked: Reader<string>): Promise<Visible | undefined> {
  return (await asked.rows<Visible>(VISIBLE, []))[0];
}
