// Seeds a migrated database with users: inserts the rows of the tables that the measured paths read, and measures the
// time for each table. Other files have the users (seed-shape.ts) and the protocol (seed-copy.ts).
import { argon2id, hash } from 'argon2';
import pg from 'pg';
import type { Personal } from '../../src/base/secrets/personal.ts';
import { copyRows, type Value } from './seed-copy.ts';
import {
  emailOf,
  idOf,
  nameOf,
  organizationNameOf,
  type Population,
  populate,
  type RoleName,
  type Shape,
  slugOf,
} from './seed-shape.ts';

/** The parameters of the one hash of all seeded users: the defaults of the service. */
export const HASH = { type: argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const;
export const PASSWORD = 'correct horse battery scale';

const SYSTEM_OWNER = '00000000-0000-0000-0000-000000000000';
const LIMITS = JSON.stringify({ teamMembers: 100_000, messages: 100, phoneNumbers: 1 });
const SUPPORT = ['contacts:read', 'contacts:write', 'users:read'];
const SESSION_DAYS = 30;

/** A step of the seeding. A step that fills one table has the number of its rows. */
export interface Step {
  readonly what: string;
  readonly rows: number | null;
  readonly seconds: number;
}

export interface Seeded {
  readonly population: Population;
  readonly seconds: number;
}

interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: () => Iterable<readonly Value[]>;
}

/** Base64 as PostgreSQL reads bytes in a COPY. */
function bytes(base64: string): string {
  return `\\x${Buffer.from(base64, 'base64').toString('hex')}`;
}

function* upTo<Row>(count: number, row: (number: number) => Row): Generator<Row> {
  for (let number = 0; number < count; number += 1) yield row(number);
}

interface Given {
  readonly hash: string;
  readonly systemRoles: ReadonlyMap<string, string>;
  readonly now: string;
  readonly personal: Personal;
}

function accountTables(users: number, now: string, personal: Personal): Table[] {
  return [
    {
      name: 'users',
      columns: ['id', 'email_sealed', 'email_lookup', 'name_sealed', 'email_verified_at'],
      rows: () =>
        upTo(users, (u) => {
          const [id, email] = [idOf('user', u), emailOf(u)];
          const sealed = bytes(personal.seal('users.email', id, email));
          const found = bytes(personal.lookup('users.email', email));
          return [id, sealed, found, bytes(personal.seal('users.name', id, nameOf(u))), now];
        }),
    },
    {
      name: 'user_search',
      columns: ['user_id', 'name_grams', 'email_grams'],
      rows: () => upTo(users, (u) => [idOf('user', u), personal.grams(nameOf(u)), personal.grams(emailOf(u))]),
    },
  ];
}

// In the order of the foreign keys. Within a table, rows are ordered by time, as in a real database.
function tablesOf(people: Population, { hash, systemRoles, now, personal }: Given): Table[] {
  const { users, organizations } = people;
  const organizationId = (user: number) => idOf('organization', people.organizationOf(user));
  const roleKey = (name: RoleName, user: number): [string, string] =>
    name === 'support'
      ? [idOf('role', people.organizationOf(user)), organizationId(user)]
      : [systemRoles.get(name) ?? '', SYSTEM_OWNER];
  const idle = new Date(Date.parse(now) + SESSION_DAYS * 86_400_000).toISOString();
  return [
    {
      name: 'organizations',
      columns: ['id', 'name', 'slug'],
      rows: () => upTo(organizations, (o) => [idOf('organization', o), organizationNameOf(o), slugOf(o)]),
    },
    {
      name: 'subscriptions',
      columns: ['organization_id', 'plan', 'status', 'limits'],
      rows: () => upTo(organizations, (o) => [idOf('organization', o), 'business', 'active', LIMITS]),
    },
    {
      name: 'roles',
      columns: ['id', 'organization_id', 'owner_key', 'name', 'level', 'permissions'],
      rows: () =>
        upTo(organizations, (o) => {
          const owner = idOf('organization', o);
          return [idOf('role', o), owner, owner, 'support', 30, SUPPORT];
        }),
    },
    ...accountTables(users, now, personal),
    {
      name: 'passwords',
      columns: ['user_id', 'hash'],
      rows: () => upTo(users, (u) => [idOf('user', u), hash]),
    },
    {
      name: 'memberships',
      columns: ['organization_id', 'user_id'],
      rows: () => upTo(users, (u) => [organizationId(u), idOf('user', u)]),
    },
    {
      name: 'role_assignments',
      columns: ['id', 'organization_id', 'user_id', 'role_id', 'role_owner_key'],
      rows: () =>
        upTo(users, (u) => [
          idOf('assignment', u),
          organizationId(u),
          idOf('user', u),
          ...roleKey(people.roleOf(u), u),
        ]),
    },
    {
      name: 'sessions',
      columns:
        `id user_id organization_id amr user_agent_sealed ip_sealed created_at last_seen_at idle_expires_at expires_at confirmed
        confirmed_at`.split(/\s+/),
      rows: () =>
        upTo(users, (u) => {
          const whose = [idOf('session', u), idOf('user', u), organizationId(u)];
          const id = idOf('session', u);
          const device = [
            bytes(personal.seal('sessions.user_agent', id, 'seeded')),
            bytes(personal.seal('sessions.ip', id, '127.0.0.1')),
          ];
          return [...whose, ['pwd'], ...device, now, now, idle, idle, idOf('token', u), now];
        }),
    },
  ];
}

/**
 * Inserts the users of a shape, as the superuser, sealed with the keys of `personal`. Foreign keys are checked. The
 * statistics are fresh afterwards. `onStep` is called after each step.
 */
export async function seedDatabase(
  adminUrl: string,
  { personal, ...shape }: Shape & { readonly personal: Personal },
  onStep?: (step: Step) => void,
): Promise<Seeded> {
  const population = populate(shape);
  const client = new pg.Client({ connectionString: adminUrl, options: '-c timezone=UTC' });
  await client.connect();
  const begun = performance.now();
  const timed = async (what: string, work: () => Promise<number | null>) => {
    const from = performance.now();
    const rows = await work();
    onStep?.({ what, rows, seconds: (performance.now() - from) / 1000 });
  };
  try {
    const roles = await client.query<{ name: string; id: string }>('SELECT name, id FROM roles WHERE owner_key = $1', [
      SYSTEM_OWNER,
    ]);
    const systemRoles = new Map(roles.rows.map(({ name, id }) => [name, id]));
    const given = { hash: await hash(PASSWORD, HASH), systemRoles, now: new Date().toISOString(), personal };
    for (const { name, columns, rows } of tablesOf(population, given)) {
      await timed(name, () => copyRows(client, name, columns, rows()));
    }
    // VACUUM marks the pages for which a query can read the index alone. Autovacuum does this later.
    await timed('VACUUM (ANALYZE), CHECKPOINT', async () => {
      await client.query('VACUUM (ANALYZE)');
      await client.query('CHECKPOINT');
      return null;
    });
    return { population, seconds: (performance.now() - begun) / 1000 };
  } finally {
    await client.end();
  }
}
