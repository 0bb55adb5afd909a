// A database of the previous version, migrated, and the statements with which a service of that version goes on
// writing.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Test } from 'tap';
import { hashArgon2 } from '../../../src/credentials/passwords/argon2.ts';
import type { TestDatabase } from '../../support/database.ts';
import { createFormerDatabase } from '../../support/fixtures/former-database.ts';
import { seedOrganization } from '../../support/fixtures/people.ts';
import { QUICK_HASH } from '../../support/quick-hash.ts';

const THIS = '20261130030000_personal_data';
export const PASSWORD = randomBytes(12).toString('base64url');

export interface OldPerson {
  readonly id: string;
  readonly email: string;
  readonly name: string;
}

/** What a service of the previous version does. Each function uses the statements of that version. */
export interface OldVersion {
  /** Registers somebody. Resolves with null if the address is taken. Raises the errors of PostgreSQL. */
  register(person: { readonly email: string; readonly name: string }): Promise<OldPerson | null>;
  /** Returns the id of the person with the address, or null. */
  find(email: string): Promise<string | null>;
  rename(id: string, name: string): Promise<void>;
  /** Gives the account to the owner of the mailbox. */
  takeOver(id: string, email: string, name: string): Promise<void>;
  openSession(userId: string, device: { readonly userAgent: string; readonly ip: string }): Promise<string>;
  /** Invites the address, or renews its pending invitation. Returns the id of the invitation. */
  invite(organizationId: string, email: string): Promise<string>;
  requestMail(organizationId: string, recipientKey: string): Promise<void>;
  reissueTo(sessionId: string, network: string): Promise<void>;
}

function oldVersionOn(client: pg.Client): OldVersion {
  const ask = async (text: string, values: unknown[]) => (await client.query(text, values)).rows;
  return {
    async register({ email, name }) {
      const id = randomUUID();
      const { rowCount } = await client.query(
        `INSERT INTO users (id, email, email_key, name) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
        [id, email, email.toLowerCase(), name],
      );
      if (rowCount === 0) return null;
      const hash = await hashArgon2(PASSWORD, QUICK_HASH);
      await ask('INSERT INTO passwords (user_id, hash) VALUES ($1, $2)', [id, hash]);
      return { id, email, name };
    },
    async find(email) {
      const [row] = await ask('SELECT u.id FROM users u WHERE u.email_key = $1', [email.toLowerCase()]);
      return row?.id ?? null;
    },
    async rename(id, name) {
      await ask('UPDATE users SET name = $2, updated_at = clock_timestamp() WHERE id = $1', [id, name]);
    },
    async takeOver(id, email, name) {
      await ask('UPDATE users SET email = $2, name = $3, email_verified_at = now() WHERE id = $1', [id, email, name]);
    },
    async openSession(userId, { userAgent, ip }) {
      const id = randomUUID();
      await ask(
        `INSERT INTO sessions (id, user_id, amr, user_agent, ip, created_at, last_seen_at, idle_expires_at, expires_at,
           confirmed, confirmed_at)
         VALUES ($1, $2, '{pwd}', $3, $4, now(), now(), now() + interval '1 day', now() + interval '1 day', $1, now())`,
        [id, userId, userAgent, ip],
      );
      return id;
    },
    async invite(organizationId, email) {
      const [row] = await ask(
        `INSERT INTO invitations (id, organization_id, email, email_key, expires_at)
         VALUES ($1, $2, $3, $4, now() + interval '1 day')
         ON CONFLICT (organization_id, email_key) WHERE status = 'pending' DO UPDATE
           SET email = excluded.email, expires_at = excluded.expires_at, updated_at = clock_timestamp()
         RETURNING id`,
        [randomUUID(), organizationId, email, email.toLowerCase()],
      );
      return row?.id;
    },
    async requestMail(organizationId, recipientKey) {
      await ask(
        `INSERT INTO outbox (id, organization_id, kind, subject_id, recipient_key, actor_id)
         VALUES ($1, $2, 'invitation', $1, $3, $1)`,
        [randomUUID(), organizationId, recipientKey],
      );
    },
    async reissueTo(sessionId, network) {
      await ask(
        `WITH reissued AS (
           UPDATE sessions SET child_reissued_to = $2, child_reissued_at = now() WHERE id = $1 RETURNING id, user_id
         )
         INSERT INTO events (id, type, actor_id, target_id, data)
         SELECT gen_random_uuid(), 'session.child_reissued', user_id, id,
           json_build_object('network', $2::text, 'ageSeconds', 7)::jsonb FROM reissued`,
        [sessionId, network],
      );
    },
  };
}

export interface Upgraded {
  readonly database: TestDatabase;
  readonly old: OldVersion;
  /** People who registered before the migration. */
  readonly people: readonly OldPerson[];
  readonly organizationId: string;
  /** The session of the first person, from before the migration. */
  readonly sessionId: string;
  /** An invitation from before the migration, with its token. */
  readonly invitation: { readonly id: string; readonly email: string; readonly token: string };
}

/**
 * Opens a database with people, a session, an invitation and a mail of the previous version, and migrates the database.
 */
export async function openUpgraded(t: Test, count = 3): Promise<Upgraded> {
  const { database, upgrade } = await createFormerDatabase(t, THIS);
  const system = new pg.Client({ connectionString: database.systemUrl });
  await system.connect();
  t.teardown(() => system.end());
  const old = oldVersionOn(system);
  const people: OldPerson[] = [];
  for (let index = 0; index < count; index += 1) {
    const person = await old.register({ email: `Person.${index}@Example.com`, name: `Ädith ${index}` });
    if (person) people.push(person);
  }
  const [first] = people;
  const sessionId = await old.openSession(first?.id ?? '', { userAgent: 'Old Browser', ip: '192.0.2.1' });
  const { id: organizationId } = await seedOrganization(database);
  const email = 'Guest@Example.com';
  const id = await old.invite(organizationId, email);
  const token = randomBytes(32).toString('base64url');
  await database.query('UPDATE invitations SET token_hash = $2 WHERE id = $1', [
    id,
    createHash('sha256').update(token).digest(),
  ]);
  await old.requestMail(organizationId, email.toLowerCase());
  await upgrade();
  return { database, old, people, organizationId, sessionId, invitation: { id, email, token } };
}
