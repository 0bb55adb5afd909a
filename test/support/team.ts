// An organization with members, each signed in and acting for it, and the states that its memberships can be in.
import type { Test } from 'tap';
import type { Api } from './client.ts';
import { createDatabase, type TestDatabase } from './database.ts';
import { openService, type Service } from './service.ts';
import { joinMember, openTransaction, waiters } from './session-state.ts';
import { type PlantedOrganization, plantOrganization, plantPerson, signInPlanted } from './world.ts';

export interface Teammate {
  readonly userId: string;
  readonly email: string;
  readonly token: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

export interface Team {
  readonly database: TestDatabase;
  readonly service: Service;
  readonly api: Api;
  readonly organization: PlantedOrganization;
  /** A further member who holds the system role, signed in and acting for the organization. */
  join(role: string, name?: string): Promise<Teammate>;
}

/** An organization without members. */
export async function openTeam(t: Test): Promise<Team> {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  return { database, service, api: service.api, ...(await furtherTeam(database, service.api)) };
}

/** Another organization of the same service. */
export async function furtherTeam(database: TestDatabase, api: Api): Promise<Pick<Team, 'organization' | 'join'>> {
  const organization = await plantOrganization(database);
  return {
    organization,
    async join(role, name = role) {
      const person = await plantPerson(database, name);
      await joinMember(database, person.userId, organization.id, role);
      const { accessToken: token, refreshToken, sessionId } = await signInPlanted(api, person, organization.slug);
      return { ...person, token, refreshToken, sessionId };
    },
  };
}

/** A new access token of the same session. Raises when that is refused. */
export async function renewed(api: Api, { refreshToken }: Pick<Teammate, 'refreshToken'>): Promise<string> {
  const reply = await api.post('/auth/refresh', { refreshToken });
  if (reply.status !== 200) throw new Error(`refresh answered ${reply.status}: ${reply.text}`);
  return reply.body.data.accessToken;
}

/** What a member holds, sorted: names of roles, with the scope where there is one. */
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

/** Assigns by SQL, past every rule; the role is named as in the organization or the system. */
export async function assign(
  database: TestDatabase,
  organizationId: string,
  userId: string,
  role: string,
  scope: object = {},
): Promise<void> {
  await database.query(
    `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key, scope)
     SELECT gen_random_uuid(), $1::uuid, $2, id, owner_key, $4 FROM roles
     WHERE (organization_id IS NULL OR organization_id = $1::uuid) AND name = $3`,
    [organizationId, userId, role, scope],
  );
}

/** Takes every role from the member by SQL and gives another one instead, past every rule and unannounced. */
export async function makeOnly(database: TestDatabase, organizationId: string, userId: string, role: string) {
  await database.query('DELETE FROM role_assignments WHERE organization_id = $1 AND user_id = $2', [
    organizationId,
    userId,
  ]);
  await assign(database, organizationId, userId, role);
}

/** How many active owners the organization has. */
export async function ownersOf(database: TestDatabase, organizationId: string): Promise<number> {
  const [row] = await database.query<{ owners: number }>(
    `SELECT count(DISTINCT m.user_id)::int AS owners FROM memberships m
     JOIN role_assignments a USING (organization_id, user_id) JOIN roles r ON r.id = a.role_id
     WHERE m.organization_id = $1 AND m.status = 'active' AND r.name = 'owner' AND a.scope = '{}'`,
    [organizationId],
  );
  return row?.owners ?? 0;
}

/**
 * Lets calls run into each other: the organization is held until so many of them wait for it, past every guard; `amid`
 * happens just before they go on.
 */
export async function headOn<T>(
  t: Test,
  { database, organization }: Pick<Team, 'database' | 'organization'>,
  calls: readonly (() => Promise<T>)[],
  amid?: (ask: (text: string, values: unknown[]) => Promise<unknown>) => Promise<unknown>,
): Promise<T[]> {
  const held = await openTransaction(t, database);
  await held.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [organization.id]);
  const answers = Promise.all(calls.map((call) => call()));
  await waiters(database, calls.length);
  await amid?.((text, values) => held.query(text, values));
  await held.query('COMMIT');
  await held.end();
  return answers;
}
