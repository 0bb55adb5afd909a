// Runs plain SQL as the roles of the service, without Tenantry's code, and inserts the rows of a tenant.
import pg from 'pg';
import type { TestDatabase } from '../../../support/database.ts';
import { seedClient } from '../../../support/fixtures/clients.ts';
import { seedInvitation } from '../../../support/fixtures/invitations.ts';
import { seedMember, seedOrganization } from '../../../support/fixtures/people.ts';
import { assignRole, seedRole } from '../../../support/fixtures/roles.ts';

/** Runs statements on one connection as the given role. */
export async function asRole<T>(url: string, work: (ask: Ask) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await work(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
}

export type Ask = (text: string, values?: unknown[]) => Promise<Record<string, unknown>[]>;

/** Runs the work in a transaction of the scope, and rolls the transaction back. */
export async function within<T>(
  ask: Ask,
  scope: { organization?: string; user?: string },
  work: () => Promise<T>,
): Promise<T> {
  await ask('BEGIN');
  try {
    const settings = [scope.organization ?? '', scope.user ?? ''];
    await ask(
      "SELECT set_config('app.current_org_id', $1, true), set_config('app.current_user_id', $2, true)",
      settings,
    );
    return await work();
  } finally {
    await ask('ROLLBACK');
  }
}

export interface Tenant {
  readonly organization: string;
  readonly user: string;
  readonly role: string;
  readonly client: string;
}

/** Inserts an organization with rows of its own: a member, a custom role, an assignment, a session and so on. */
export async function seedTenant(database: TestDatabase): Promise<Tenant> {
  const { id: organization } = await seedOrganization(database);
  const user = await seedMember(database, organization);
  const role = await seedRole(database, organization, { name: 'own', level: 1, permissions: [] });
  await assignRole(database, { organizationId: organization, userId: user, roleId: role });
  const invitation = await seedInvitation(database, organization, { email: 'x@x.org' });
  const { id: client } = await seedClient(database, { organizationId: organization });
  const steps: [string, unknown[]][] = [
    [
      `INSERT INTO sessions (id, user_id, organization_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed, confirmed_at)
      VALUES (gen_random_uuid(), $2, $1, '{pwd}', now(), now(), now(), now(), gen_random_uuid(), now())`,
      [organization, user],
    ],
    [`INSERT INTO events (id, organization_id, type) VALUES (gen_random_uuid(), $1, 'seeded')`, [organization]],
    [`INSERT INTO revocations (id, kind, subject) VALUES (gen_random_uuid(), 'session', $1)`, [user]],
    [
      'INSERT INTO invitation_roles (organization_id, invitation_id, role_id, role_owner_key) VALUES ($1, $2, $3, $1)',
      [organization, invitation.id, role],
    ],
    [
      `INSERT INTO outbox (id, organization_id, kind, subject_id, recipient_lookup) VALUES (gen_random_uuid(), $1, 'invitation', $2, '\\x00')`,
      [organization, user],
    ],
    [`INSERT INTO client_assertions (client_id, jti_hash, expires_at) VALUES ($1, sha256('x'), now())`, [client]],
  ];
  for (const [text, values] of steps) await database.query(text, values);
  return { organization, user, role, client };
}
