// Runs plain SQL as the roles of the service, without Tenantry's code, and inserts the rows of two tenants.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { TestDatabase } from '../../../support/database.ts';

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

/** Runs the work in a transaction of the scope, and rolls it back. */
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

/** An organization with a member, a custom role, an assignment, a session, a subscription, an event and a client. */
export async function plantTenant(database: TestDatabase): Promise<Tenant> {
  const [organization, user, role, client] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const slug = `o-${organization.slice(0, 8)}`;
  const steps: [string, unknown[]][] = [
    [`INSERT INTO users (id, email, email_key, name) VALUES ($1, $2, $2, 'Ada')`, [user, `${user}@example.com`]],
    [`INSERT INTO passwords (user_id, hash) VALUES ($1, 'secret')`, [user]],
    [`INSERT INTO organizations (id, name, slug) VALUES ($1, 'Acme', $2)`, [organization, slug]],
    [`INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)`, [organization, user]],
    [
      `INSERT INTO roles (id, organization_id, owner_key, name, level, permissions) VALUES ($2, $1, $1, 'own', 1, '{}')`,
      [organization, role],
    ],
    [
      `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key) VALUES (gen_random_uuid(), $1, $2, $3, $1)`,
      [organization, user, role],
    ],
    [
      `INSERT INTO sessions (id, user_id, organization_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed, confirmed_at)
      VALUES (gen_random_uuid(), $2, $1, '{pwd}', now(), now(), now(), now(), gen_random_uuid(), now())`,
      [organization, user],
    ],
    [
      `INSERT INTO subscriptions (organization_id, plan, status, limits) VALUES ($1, 'trial', 'trialing', '{}')`,
      [organization],
    ],
    [`INSERT INTO events (id, organization_id, type) VALUES (gen_random_uuid(), $1, 'planted')`, [organization]],
    [`INSERT INTO revocations (id, kind, subject) VALUES (gen_random_uuid(), 'session', $1)`, [user]],
    [
      `INSERT INTO invitations (id, organization_id, email, email_key, expires_at) VALUES ($2, $1, 'x@x.org', 'x@x.org', now())`,
      [organization, randomUUID()],
    ],
    [
      `INSERT INTO invitation_roles (organization_id, invitation_id, role_id, role_owner_key)
      SELECT organization_id, id, $2, $1 FROM invitations WHERE organization_id = $1`,
      [organization, role],
    ],
    [
      `INSERT INTO outbox (id, organization_id, kind, subject_id, recipient_key) VALUES (gen_random_uuid(), $1, 'invitation', $2, 'x@x.org')`,
      [organization, user],
    ],
    [
      `INSERT INTO clients (id, organization_id, owner_key, name, permissions, authentication) VALUES ($2, $1, $1, 'x', '{}', 'client_secret')`,
      [organization, client],
    ],
    [
      `INSERT INTO client_secrets (id, organization_id, owner_key, client_id, hash) VALUES (gen_random_uuid(), $1, $1, $2, sha256('x'))`,
      [organization, client],
    ],
    [`INSERT INTO client_assertions (client_id, jti_hash, expires_at) VALUES ($1, sha256('x'), now())`, [client]],
  ];
  for (const [text, values] of steps) await database.query(text, values);
  return { organization, user, role, client };
}
