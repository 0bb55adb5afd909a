// Personal data in the rows that tests insert or find by SQL. Tests seal with the keys that the services of the process
// have by default.
import { join } from 'node:path';
import { systemClock } from '../../src/base/platform/clock.ts';
import { openLog } from '../../src/base/platform/log.ts';
import { systemRandom } from '../../src/base/platform/random.ts';
import { openForPerson } from '../../src/base/secrets/person-keys.ts';
import { createPersonal, type LookupColumn, type Personal } from '../../src/base/secrets/personal.ts';
import { openDataKeys } from '../../src/credentials/data-keys/ring.ts';
import { testDataKeys } from './data-keys.ts';

/** Seals and opens like a service on a database that stores no personal data unsealed. */
export const testPersonal: Personal = createPersonal(testDataKeys, systemRandom);
testPersonal.notePhase(true);

/** The bytes by which a row is found, such as `WHERE email_lookup = $1`. */
export function lookupOf(column: LookupColumn, text: string): Buffer {
  return Buffer.from(testPersonal.lookup(column, text), 'base64');
}

/** The stored name of a user, in plain text. */
export async function nameOf(
  database: { query(text: string, values: unknown[]): Promise<object[]> },
  userId: string,
): Promise<string | undefined> {
  const rows = await database.query(`SELECT 's' || encode(name_sealed, 'base64') AS name FROM users WHERE id = $1`, [
    userId,
  ]);
  const [row] = rows as { name: string }[];
  return row && testPersonal.opening((open) => open('users.name', userId, row.name));
}

interface NetworkRow {
  readonly id: string;
  readonly data: { readonly network: { readonly key: string; readonly sealed: string } };
  readonly secret: string | null;
}

/**
 * Returns the networks in the events of type session.child_reissued, the oldest first. A network is null if its key has
 * been deleted.
 */
export async function networksOf(database: { query(text: string): Promise<object[]> }): Promise<(string | null)[]> {
  const rows = (await database.query(
    `SELECT e.id, e.data, encode(k.secret_sealed, 'base64') AS secret
     FROM events e LEFT JOIN person_keys k ON k.id = (e.data -> 'network' ->> 'key')::uuid AND k.user_id = e.actor_id
     WHERE e.type = 'session.child_reissued' ORDER BY e.at`,
  )) as NetworkRow[];
  return testPersonal.opening((open) =>
    rows.map(({ id, data, secret }) => {
      if (secret === null) return null;
      const { key, sealed } = data.network;
      return openForPerson(open, `events.network:${id}`, { key: { id: key, sealed: secret }, sealed });
    }),
  );
}

export interface PersonRow {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  readonly status?: 'active' | 'disabled';
}

// $1 has the ids, $2 the sealed e-mails, $3 the sealed names, $4 the lookups of the e-mails, and $5 the status of each
// user. $6 has the grams of each name, and $7 the grams of each e-mail, as the text of an array.
const INSERT = `
WITH people AS (
  INSERT INTO users (id, email_sealed, name_sealed, email_lookup, status, email_verified_at)
  SELECT id, decode(email, 'base64'), decode(name, 'base64'), decode(found, 'base64'), status, now()
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[]) AS p (id, email, name, found, status)
)
INSERT INTO user_search (user_id, name_grams, email_grams)
SELECT id, names::bigint[], emails::bigint[] FROM unnest($1::uuid[], $6::text[], $7::text[]) AS s (id, names, emails)`;

/**
 * Returns what seals and opens personal data with the keys of a keys folder, for programs that start services of their
 * own.
 */
export async function personalIn(keysDirectory: string): Promise<Personal> {
  const log = openLog({ level: 'silent', pretty: false });
  const keys = await openDataKeys({ directory: join(keysDirectory, 'data'), clock: systemClock, log });
  const personal = createPersonal(keys, systemRandom);
  personal.notePhase(true);
  return personal;
}

/** Inserts users with verified e-mail addresses and without a password, as the service would. */
export async function insertPeople(
  database: { query(text: string, values: unknown[]): Promise<unknown> },
  people: readonly PersonRow[],
  { seal, lookup, grams }: Personal = testPersonal,
): Promise<void> {
  await database.query(INSERT, [
    people.map(({ id }) => id),
    people.map(({ id, email }) => seal('users.email', id, email)),
    people.map(({ id, name }) => seal('users.name', id, name)),
    people.map(({ email }) => lookup('users.email', email.toLowerCase())),
    people.map(({ status = 'active' }) => status),
    people.map(({ name }) => `{${grams(name).join()}}`),
    people.map(({ email }) => `{${grams(email).join()}}`),
  ]);
}

/** The columns of users or invitations for rows whose personal data no test reads, and their values in SQL. */
export const UNREAD_USER = { columns: 'email_sealed, email_lookup, name_sealed', values: unreadValues } as const;
export const UNREAD_INVITATION = { columns: 'email_sealed, email_lookup', values: unreadEmail } as const;

/** `key` is an SQL expression of type text, different for each row. */
function unreadValues(key: string): string {
  return `${unreadEmail(key)}, '\\x00'::bytea`;
}

function unreadEmail(key: string): string {
  return `'\\x00'::bytea, sha256((${key})::bytea)`;
}
