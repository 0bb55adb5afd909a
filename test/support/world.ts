// People and organizations planted by SQL, who sign in by HTTP: quicker than registering each.
import { randomBytes, randomUUID } from 'node:crypto';
import { hashArgon2 } from '../../src/credentials/passwords/argon2.ts';
import type { Api } from './client.ts';
import type { TestDatabase } from './database.ts';
import { QUICK_HASH } from './quick-hash.ts';

const PASSWORD = randomBytes(12).toString('base64url');
let hash: Promise<string> | undefined;

export interface Person {
  readonly userId: string;
  readonly email: string;
}

/** A verified user with a password, member of nothing. */
export async function plantPerson(database: TestDatabase, name = 'Planted'): Promise<Person> {
  hash ??= hashArgon2(PASSWORD, QUICK_HASH);
  const userId = randomUUID().replace(/^(.{14})4/, '$17'); // ids of the service are UUIDv7
  const email = `${userId}@example.com`;
  await database.query(
    'INSERT INTO users (id, email, email_key, name, email_verified_at) VALUES ($1, $2, $2, $3, now())',
    [userId, email, name],
  );
  await database.query('INSERT INTO passwords (user_id, hash) VALUES ($1, $2)', [userId, await hash]);
  return { userId, email };
}

export interface PlantedOrganization {
  readonly id: string;
  readonly slug: string;
}

/** An organization with a subscription that allows so many members. */
export async function plantOrganization(database: TestDatabase, teamMembers = 1000): Promise<PlantedOrganization> {
  const id = randomUUID().replace(/^(.{14})4/, '$17');
  const slug = `org-${id.slice(-12)}`;
  await database.query('INSERT INTO organizations (id, name, slug) VALUES ($1, $2, $2)', [id, slug]);
  await database.query(
    `INSERT INTO subscriptions (organization_id, plan, status, trial_ends_at, limits)
     VALUES ($1, 'trial', 'trialing', now() + interval '14 days', $2)`,
    [id, JSON.stringify({ teamMembers, messages: 100, phoneNumbers: 1 })],
  );
  return { id, slug };
}

/** A custom role of an organization; gives its id. */
export async function plantRole(
  database: TestDatabase,
  organizationId: string,
  role: { readonly name: string; readonly level: number; readonly permissions: readonly string[] },
): Promise<string> {
  const id = randomUUID();
  await database.query(
    'INSERT INTO roles (id, organization_id, owner_key, name, level, permissions) VALUES ($1, $2, $2, $3, $4, $5)',
    [id, organizationId, role.name, role.level, role.permissions],
  );
  return id;
}

/** The answer to signing in a planted person, in an organization or in none of them. Raises when it is refused. */
export async function signInPlanted(api: Api, person: Person, organization?: string) {
  const reply = await api.post('/auth/login', {
    email: person.email,
    password: PASSWORD,
    ...(organization === undefined ? {} : { organization }),
  });
  if (reply.status !== 200) throw new Error(`login answered ${reply.status}: ${reply.text}`);
  return reply.body.data as { accessToken: string; refreshToken: string; sessionId: string };
}
