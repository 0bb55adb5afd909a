// Members, roles and assignments as tests want them, written by SQL; and changes of them as the service makes them: with
// the epochs, in one transaction, published after it.
import { randomUUID } from 'node:crypto';
import type { App } from '../../src/app/app.ts';
import { raiseEpochs } from '../../src/directory/users/epoch-store.ts';
import type { TestDatabase } from './database.ts';
import { joinMember } from './session-state.ts';

/** A user without a password who is a member with one system role, or with none. Gives the user's id. */
export async function insertMember(database: TestDatabase, organizationId: string, role?: string): Promise<string> {
  const id = randomUUID();
  await database.query(`INSERT INTO users (id, email, email_key, name) VALUES ($1, $2, $2, 'Grace')`, [
    id,
    `${id}@x.org`,
  ]);
  if (role !== undefined) await joinMember(database, id, organizationId, role);
  else await database.query('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [organizationId, id]);
  return id;
}

/** A role of the organization's own. Gives its id. */
export async function insertRole(
  database: TestDatabase,
  organizationId: string,
  role: { readonly name: string; readonly permissions: readonly string[]; readonly level?: number },
): Promise<string> {
  const id = randomUUID();
  await database.query(
    `INSERT INTO roles (id, organization_id, owner_key, name, level, permissions) VALUES ($1, $2, $2, $3, $4, $5)`,
    [id, organizationId, role.name, role.level ?? 10, role.permissions],
  );
  return id;
}

/** Assigns a role of the organization's own. Gives the assignment's id. */
export async function assignRole(
  database: TestDatabase,
  member: { readonly organizationId: string; readonly userId: string; readonly roleId: string },
  scope: object = {},
): Promise<string> {
  const id = randomUUID();
  await database.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key, scope)
     SELECT $1, $2, $3, id, owner_key, $5 FROM roles WHERE id = $4`,
    [id, member.organizationId, member.userId, member.roleId, scope],
  );
  return id;
}

/** Writes by SQL ($1: the organization, $2: the user) what changes the user's rights there, with the epoch. */
export async function changeRights(
  { parts }: { readonly parts: Pick<App['parts'], 'db' | 'publish'> },
  { organizationId, userId }: { readonly organizationId: string; readonly userId: string },
  sql: string,
): Promise<void> {
  const raised = await parts.db.organization({ organizationId }, async (tx) => {
    const revocations = await raiseEpochs(tx, [userId]);
    await tx.models.$executeRawUnsafe(sql, organizationId, userId);
    return revocations;
  });
  parts.publish(raised);
}
