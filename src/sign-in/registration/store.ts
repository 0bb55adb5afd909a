// The queries of registrations that wait for the proof of their mailbox. The clock of the database decides what has
// expired.
import { type SystemReader, type SystemTx, statement } from '../../base/database/db.ts';
import type { Language } from '../../base/page-kit/language.ts';
import {
  CODE_SECONDS,
  PURPOSES,
  WRONG_CODES_MAX,
  WRONG_CODES_PER_DAY_MAX,
} from '../../credentials/one-time/purposes.ts';
import type { EmailAddress } from '../../directory/users/email.ts';

/** The organization that is created together with the account. */
export interface WantedOrganization {
  readonly name: string;
  /** Null: the slug is made from the name. */
  readonly slug: string | null;
}

export interface NewRegistration {
  readonly id: string;
  readonly email: EmailAddress;
  readonly name: string;
  readonly organization: WantedOrganization | null;
  readonly passwordHash: string;
  /** The language of the person; null when it is unknown. */
  readonly locale: Language | null;
}

/** A registration that has not expired. */
export interface Registration {
  readonly id: string;
  /** The address as it was typed, to which the mail is sent. */
  readonly email: string;
  readonly name: string;
  readonly organization: WantedOrganization | null;
  readonly passwordHash: string;
  readonly locale: Language | null;
}

const LINK_SECONDS = PURPOSES.verify_email.seconds;
const LIVE = 'r.expires_at > clock_timestamp()';

// If the registration is not stored, the statement instead updates the newest registration of the address without a
// change, which takes as long. $1 registration, $2 e-mail sealed, $3 its lookup, $4 name and $5 organization sealed,
// all in base64, $6 hash of the password, $7 language, $8 lifetime in seconds, $9 whether it is stored; $5 and $7 may
// be null.
const INSERT = statement(`
WITH inserted AS (
  INSERT INTO registrations (id, email_sealed, email_lookup, name_sealed, organization_sealed, password_hash, locale, expires_at)
  SELECT $1::uuid, decode($2, 'base64'), decode($3, 'base64'), decode($4, 'base64'), decode($5, 'base64'), $6, $7,
    clock_timestamp() + $8::float8 * interval '1 second'
  WHERE $9::boolean RETURNING id
)
UPDATE registrations r SET locale = r.locale
WHERE r.id = (SELECT n.id FROM registrations n WHERE n.email_lookup = decode($3, 'base64') ORDER BY n.created_at DESC LIMIT 1)
  AND NOT EXISTS (SELECT FROM inserted)`);

/** Stores the registration. With `isStored` false it does the same work and stores nothing. */
export async function insertRegistration(tx: SystemTx, made: NewRegistration, isStored: boolean): Promise<void> {
  const { id, email, name, organization, passwordHash, locale } = made;
  const { personal } = tx;
  const wanted = organization && JSON.stringify(organization);
  await tx.rows(INSERT, [
    ...[id, personal.seal('registrations.email', id, email.address), personal.lookup('registrations.email', email.key)],
    ...[personal.seal('registrations.name', id, name), personal.seal('registrations.organization', id, wanted)],
    ...[passwordHash, locale, LINK_SECONDS, isStored],
  ]);
}

const sealed = (column: string) => `'s' || encode(r.${column}_sealed, 'base64') AS ${column}`;
const COLUMNS = `r.id::text, ${sealed('email')}, ${sealed('name')}, ${sealed('organization')},
  r.password_hash AS "passwordHash", r.locale`;

type Row = Omit<Registration, 'organization'> & { readonly organization: string | null };

async function opened(tx: SystemReader, [row]: readonly Row[]): Promise<Registration | null> {
  if (!row) return null;
  return tx.personal.opening((open) => {
    const organization = open('registrations.organization', row.id, row.organization);
    return {
      ...row,
      email: open('registrations.email', row.id, row.email),
      name: open('registrations.name', row.id, row.name),
      organization: organization === null ? null : (JSON.parse(organization) as WantedOrganization),
    };
  });
}

const BY_TOKEN = statement(`
SELECT ${COLUMNS} FROM registrations r WHERE r.token_hash = decode($1, 'hex') AND ${LIVE}`);

/** The registration whose link has the token with this hash (in hexadecimal digits). */
export async function findByTokenHash(tx: SystemReader, hash: string): Promise<Registration | null> {
  return opened(tx, await tx.rows<Row>(BY_TOKEN, [hash]));
}

const LOCK = statement(`SELECT ${COLUMNS} FROM registrations r WHERE r.id = $1::uuid AND ${LIVE} FOR UPDATE`);

/** Locks the registration until the end of the transaction. */
export async function lockRegistration(tx: SystemTx, id: string): Promise<Registration | null> {
  return opened(tx, await tx.rows<Row>(LOCK, [id]));
}

const codeHash = ({ personal }: SystemTx, id: string, code: string) =>
  personal.lookup('registrations.code', `${id} ${code}`);

// $1 registration, $2 hash of the token in hexadecimal digits, $3 hash of the code in base64, $4 lifetime of the link
// and $5 of the code in seconds.
const GIVE = statement(`
UPDATE registrations r SET token_hash = decode($2, 'hex'), code_hash = decode($3, 'base64'),
  expires_at = now + $4::float8 * interval '1 second', code_expires_at = now + $5::float8 * interval '1 second'
FROM (SELECT clock_timestamp() AS now) AS c
WHERE r.id = $1::uuid RETURNING r.expires_at AS "expiresAt", r.code_expires_at AS "codeExpiresAt"`);

/** Gives the registration a token and a code, which replace the former ones. The caller has locked the row. */
export async function updateProof(
  tx: SystemTx,
  { id, tokenHash, code }: { readonly id: string; readonly tokenHash: string; readonly code: string },
): Promise<{ readonly expiresAt: Date; readonly codeExpiresAt: Date }> {
  const values = [id, tokenHash, codeHash(tx, id, code), LINK_SECONDS, CODE_SECONDS];
  const [row] = await tx.rows<{ expiresAt: Date; codeExpiresAt: Date }>(GIVE, values);
  if (!row) throw new Error('PostgreSQL did not give a registration its token');
  return row;
}

// Guesses for one address run one after another, so that each sees the wrong codes that were counted before it. $1
// registration.
const LOCK_GUESSES = statement(`
SELECT 1 AS held FROM (SELECT pg_advisory_xact_lock(hashtextextended(coalesce(
  (SELECT encode(r.email_lookup, 'base64') FROM registrations r WHERE r.id = $1::text::uuid), $1::text), 20261206))) AS l`);
// $1 registration, $2 hash of the guessed code in base64.
const GUESS = statement(`
WITH guessed AS (
  UPDATE registrations r SET wrong_codes = r.wrong_codes + CASE WHEN r.code_hash = decode($2, 'base64') THEN 0 ELSE 1 END
  WHERE r.id = $1::uuid AND ${LIVE} AND r.code_expires_at > clock_timestamp() AND r.wrong_codes < ${WRONG_CODES_MAX}
    AND ${WRONG_CODES_PER_DAY_MAX} > (SELECT sum(o.wrong_codes) FROM registrations o WHERE o.email_lookup = r.email_lookup)
  RETURNING r.*, r.code_hash = decode($2, 'base64') AS is_right
)
SELECT ${COLUMNS} FROM guessed r WHERE r.is_right`);

/**
 * The registration with this id if the code is the one of its mail. A wrong code is counted, so the transaction must
 * commit. After 5 wrong codes for the registration, or 20 for all registrations of its address, no code works. A right
 * code uses nothing up.
 */
export async function guessCode(tx: SystemTx, id: string, code: string): Promise<Registration | null> {
  await tx.rows(LOCK_GUESSES, [id]);
  return opened(tx, await tx.rows<Row>(GUESS, [id, codeHash(tx, id, code)]));
}

// The rows are locked in the order of their ids, so that two of these statements cannot deadlock.
const DELETE_OF = statement(`
DELETE FROM registrations r WHERE r.id IN (
  SELECT o.id FROM registrations o WHERE o.email_lookup = decode($1, 'base64') ORDER BY o.id FOR UPDATE)
RETURNING r.id::text, encode(r.token_hash, 'hex') AS "tokenHash", ${LIVE} AS "isLive"`);

export interface EndedRegistration {
  readonly id: string;
  /** In hexadecimal digits. */
  readonly tokenHash: string | null;
  readonly isLive: boolean;
}

/** Removes the registrations of this canonical e-mail, and returns which those were. */
export function deleteRegistrationsOf(tx: SystemTx, emailKey: string): Promise<EndedRegistration[]> {
  return tx.rows(DELETE_OF, [tx.personal.lookup('registrations.email', emailKey)]);
}

const DELETE_BEFORE = statement('DELETE FROM registrations WHERE created_at < $1::text::timestamptz');

/** Removes the registrations of all addresses from before an instant. */
export async function deleteRegistrationsBefore(tx: SystemTx, instant: string): Promise<void> {
  await tx.rows(DELETE_BEFORE, [instant]);
}

const REMOVED_AT_ONCE = 1_000;
const DELETE_EXPIRED = statement(`
DELETE FROM registrations WHERE id IN (
  SELECT r.id FROM registrations r WHERE NOT ${LIVE} LIMIT ${REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED)
RETURNING 1 AS removed`);

/** Removes some of the expired registrations. Returns whether there may be more. */
export async function deleteSomeExpired(tx: SystemReader): Promise<boolean> {
  return (await tx.rows(DELETE_EXPIRED, [])).length === REMOVED_AT_ONCE;
}
