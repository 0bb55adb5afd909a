// The queries of the feed: revocations after a position, each with the organizations that may see it.
import { type SystemReader, statement } from '../../base/database/db.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import type { RevocationCursor } from '../revocations/revocations.ts';
import {
  isUnseen,
  READING,
  type RevocationPosition,
  type RevocationRow,
  type Seen,
  toRevocation,
} from '../revocations/store.ts';

// The id of the first migration differs between databases, and a backup keeps it. The oid distinguishes copies of a
// database on one server.
const DATABASE = `left(md5((SELECT id FROM _prisma_migrations ORDER BY migration_name, started_at LIMIT 1)
  || (SELECT oid FROM pg_database WHERE datname = current_database())), 8)`;

/** The state of the database at a reading. */
export interface Head extends Seen {
  readonly database: string;
  /** The oldest transaction that was still running. The rows of all older transactions were seen. */
  readonly horizon: string;
}

const HEAD = `${DATABASE} AS database, ${READING}`;
const FIND_HEAD = statement(`SELECT ${HEAD}`);

export async function readHead(tx: SystemReader): Promise<Head> {
  const [head] = await tx.rows<Head>(FIND_HEAD, []);
  if (!head) throw new Error('the head query returned no row');
  return head;
}

// A reader with a cursor has seen the rows of every older transaction, so none of these rows has a later time than the
// cursor. If one of them has a later time, the database was restored to a state before the cursor and has used the same
// transaction ids again. The first rows after the cursor's time are enough to find that out. $1 transaction and $2 time
// (ms since 1970) of the cursor.
const JUDGE = statement(`
SELECT ${HEAD}, pg_snapshot_xmax(pg_current_snapshot())::text AS ahead, EXISTS (
  SELECT FROM (SELECT r.tx FROM revocations r WHERE r.at > to_timestamp($2::float8 / 1000) ORDER BY r.at LIMIT 100) first
  WHERE first.tx < $1::bigint) AS "setBack"`);

export interface JudgedCursor extends Head {
  /** The first transaction id that has not been used yet. */
  readonly ahead: string;
  /** Whether the database has been restored to a state before the cursor and has had new transactions since then. */
  readonly setBack: boolean;
}

/** What the database knows about a cursor. */
export async function judgeCursor(tx: SystemReader, { tx: place, at }: RevocationCursor): Promise<JudgedCursor> {
  const [judged] = await tx.rows<JudgedCursor>(JUDGE, [place, at]);
  if (!judged) throw new Error('the head query returned no row');
  return judged;
}

// The result is one row with the revocations as one JSON value: separate rows would take several times as long to read.
// $1 organizations, null for all; $2 transaction and $3 row to continue after, $4 seconds to look back, $5 rows to
// read, $6 snapshot and $7 time (ms since 1970) of the reading whose rows are left out, both null for none.
const page = (visible: string) =>
  statement(`
WITH scanned AS MATERIALIZED (
  SELECT * FROM revocations
  WHERE (tx, id) > ($2::bigint, $3::uuid) AND at > clock_timestamp() - $4::float8 * interval '1 second'
  ORDER BY tx, id LIMIT $5::int
),
unseen AS (
  SELECT * FROM scanned WHERE ${isUnseen('$6', '$7')}
),
visible AS (${visible})
SELECT ${HEAD}, (SELECT count(*)::int FROM scanned) AS scanned, l.tx::text AS "lastTx", l.id::text AS "lastId",
  (SELECT coalesce(json_agg(json_build_array(visible.tx::text, organization_id, kind, subject, epoch, state,
    membership_organization_id, role_name, kid, ceil(extract(epoch FROM not_before))::float8, (extract(epoch FROM at) * 1000)::float8) ORDER BY visible.tx, visible.id), '[]')
  FROM visible) AS visible
FROM (VALUES (1)) one LEFT JOIN LATERAL (SELECT tx, id FROM scanned ORDER BY tx DESC, id DESC LIMIT 1) l ON true`);

const OF_ALL = page('SELECT *, ($1::uuid[])[1] AS organization_id FROM unseen');

// Selects the organizations that may see each row. A change of a membership or a role is for its organization only. Any
// other row is for the organization in which it was caused, and for further organizations by its kind:
// - A user or a session is for every organization of which the user is a member, in any status, because a token for
//   each of them may have this epoch or session. A session acts for no organization, or for one that its user is a
//   member of.
// - A client is for its organization, and an organization for itself.
// - `everything` and a key are for all organizations.
const OF_ORGANIZATIONS = page(`
  SELECT *, caused_in AS organization_id FROM unseen
    WHERE caused_in = ANY ($1::uuid[]) AND membership_organization_id IS NULL
  UNION SELECT *, membership_organization_id FROM unseen WHERE membership_organization_id = ANY ($1::uuid[])
  UNION SELECT n.*, m.organization_id FROM unseen n
    JOIN memberships m ON m.user_id = n.subject AND m.organization_id = ANY ($1::uuid[])
    WHERE n.kind = 'user' AND n.membership_organization_id IS NULL
  UNION SELECT n.*, m.organization_id FROM unseen n JOIN sessions s ON s.id = n.subject
    JOIN memberships m ON m.user_id = s.user_id AND m.organization_id = ANY ($1::uuid[]) WHERE n.kind = 'session'
  UNION SELECT n.*, c.organization_id FROM unseen n
    JOIN clients c ON c.id = n.subject AND c.organization_id = ANY ($1::uuid[]) WHERE n.kind = 'client'
  UNION SELECT *, subject FROM unseen WHERE kind = 'organization' AND subject = ANY ($1::uuid[])
  UNION SELECT n.*, o.id FROM unseen n, unnest($1::uuid[]) o (id) WHERE n.kind IN ('everything', 'key')`);

export interface FeedEvent {
  readonly revocation: Revocation;
  /** The transaction that wrote the row. */
  readonly tx: string;
  /** One organization that may see the row; null if the request was for all events. */
  readonly organization: string | null;
}

export interface FeedPage extends Head {
  /** In the order of their transactions. */
  readonly events: readonly FeedEvent[];
  /** Where the next page begins; null after the last page. */
  readonly next: RevocationPosition | null;
}

export interface FeedPageRequest {
  readonly after: RevocationPosition;
  readonly withinSeconds: number;
  /** The number of rows to read. The page contains only those rows that the organizations may see. */
  readonly rows: number;
  /** Rows that this reading saw are left out. */
  readonly seen: Seen | null;
}

type Row = RevocationRow;
type FeedEventRow = [
  string,
  string | null,
  Row['kind'],
  string,
  Row['epoch'],
  Row['state'],
  Row['membershipOf'],
  Row['role'],
  Row['kid'],
  Row['notBefore'],
  Row['at'],
];

interface PageRow extends Head {
  readonly scanned: number;
  readonly lastTx: string;
  readonly lastId: string;
  readonly visible: readonly FeedEventRow[];
}

function toFeedEvent([
  tx,
  organization,
  kind,
  subject,
  epoch,
  state,
  membershipOf,
  role,
  kid,
  notBefore,
  at,
]: FeedEventRow): FeedEvent {
  return {
    tx,
    organization,
    revocation: toRevocation({ kind, subject, epoch, state, membershipOf, role, kid, notBefore, at }),
  };
}

/**
 * Revocations after a position: every revocation if `organizations` is null, else only those that at least one of the
 * organizations may see.
 */
export async function listFeedPage(
  tx: SystemReader,
  organizations: readonly string[] | null,
  { after, withinSeconds, rows, seen }: FeedPageRequest,
): Promise<FeedPage> {
  const asked = organizations === null ? OF_ALL : OF_ORGANIZATIONS;
  const values = [organizations, after.tx, after.id, withinSeconds, rows, seen?.snapshot ?? null, seen?.now ?? null];
  const [page] = await tx.rows<PageRow>(asked, values);
  if (!page) throw new Error('the head query returned no row');
  const { visible, scanned, lastTx, lastId, ...head } = page;
  return { ...head, events: visible.map(toFeedEvent), next: scanned < rows ? null : { tx: lastTx, id: lastId } };
}
