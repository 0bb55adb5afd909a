// Reads the tables for tests: the number of rows, events, the roles of members, and the owners. Also resets the budgets
// of changes.
import type { TestDatabase } from './database.ts';

/** Returns the types of the events about a target, the oldest first. */
export async function eventsAbout(database: TestDatabase, targetId: string): Promise<string[]> {
  const rows = await database.query<{ type: string }>('SELECT type FROM events WHERE target_id = $1 ORDER BY at', [
    targetId,
  ]);
  return rows.map(({ type }) => type);
}

/** Returns the number of rows in a table. */
export async function countRows(database: TestDatabase, table: string): Promise<number> {
  const [row] = await database.query<{ total: number }>(`SELECT count(*)::int AS total FROM ${table}`);
  return row?.total ?? 0;
}

/** Returns the sorted names of a member's roles, each with its scope if it has one. */
export async function heldRoles(database: TestDatabase, organizationId: string, userId: string): Promise<string[]> {
  const rows = await database.query<{ name: string; scope: object }>(
    `SELECT r.name, a.scope FROM role_assignments a JOIN roles r ON r.id = a.role_id
     WHERE a.organization_id = $1 AND a.user_id = $2`,
    [organizationId, userId],
  );
  const shown = ({ name, scope }: { name: string; scope: object }) =>
    Object.keys(scope).length === 0 ? name : `${name} ${JSON.stringify(scope)}`;
  return rows.map(shown).sort();
}

/** Returns the number of active owners of the organization. */
export async function ownersOf(database: TestDatabase, organizationId: string): Promise<number> {
  const [row] = await database.query<{ owners: number }>(
    `SELECT count(DISTINCT m.user_id)::int AS owners FROM memberships m
     JOIN role_assignments a USING (organization_id, user_id) JOIN roles r ON r.id = a.role_id
     WHERE m.organization_id = $1 AND m.status = 'active' AND r.name = 'owner' AND a.scope = '{}'`,
    [organizationId],
  );
  return row?.owners ?? 0;
}

/** Resets the budgets of changes, for tests that change members or roles more often than a person would. */
export async function refillChangeBudgets(database: TestDatabase): Promise<void> {
  await database.query('UPDATE memberships SET changes_paid_until = NULL WHERE changes_paid_until IS NOT NULL');
  await database.query(
    'UPDATE organizations SET role_changes_paid_until = NULL WHERE role_changes_paid_until IS NOT NULL',
  );
}
