// Organizations with members for tests of the database itself, and the query for the rows that a scope sees.
import { randomUUID } from 'node:crypto';
import { type Reader, statement } from '../../../src/base/database/db.ts';
import type { TestDatabase } from '../../support/database.ts';

export interface Tenant {
  readonly organizationId: string;
  readonly userId: string;
}

/** Inserts `count` organizations, each with one member, who is also a member of the next one. */
export async function tenants(database: TestDatabase, count: number): Promise<Tenant[]> {
  const all = Array.from({ length: count }, () => ({ organizationId: randomUUID(), userId: randomUUID() }));
  for (const { organizationId, userId } of all) {
    await database.query('INSERT INTO users (id, email, email_key, name) VALUES ($1, $2, $2, $2)', [
      userId,
      `${userId}@x.org`,
    ]);
    await database.query('INSERT INTO passwords (user_id, hash) VALUES ($1, $2)', [userId, 'x']);
    await database.query('INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $2)', [
      organizationId,
      organizationId.slice(0, 8),
    ]);
  }
  for (const [index, { userId }] of all.entries()) {
    for (const step of [0, 1]) {
      const organizationId = all[(index + step) % count]?.organizationId;
      await database.query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [
        organizationId,
        userId,
      ]);
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

/** The rows that the scope sees. */
export async function visible(asked: Reader<string>): Promise<Visible | undefined> {
  return (await asked.rows<Visible>(VISIBLE, []))[0];
}
