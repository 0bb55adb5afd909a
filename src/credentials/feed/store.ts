// The queries of the feed: revocations behind a place, each with the organizations of some that may know of it.
import { type SystemReader, statement } from '../../base/database/db.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import type { RevocationCursor } from '../revocations/revocations.ts';
import {
  isNews,
  READING,
  type RevocationPlace,
  type RevocationRow,
  type Seen,
  toRevocation,
} from '../revocations/store.ts';

// The first migration has an id of its own in each database, which a backup keeps; copies of it in one server differ.
const DATABASE = `left(md5((SELECT id FROM _prisma_migrations ORDER BY migration_name, started_at LIMIT 1)
  || (SELECT oid FROM pg_database WHERE datname = current_database())), 8)`;

/** The state of the database at a reading. */
export interface Head extends Seen {
  readonly database: string;
  /** The oldest transaction that was still running: all older ones are seen. */
  readonly horizon: string;
}

const HEAD = `${DATABASE} AS database, ${READING}`;
const FIND_HEAD = statement(`SELECT ${HEAD}`);

export async function readHead(tx: SystemReader): Promise<Head> {
  const [head] = await tx.rows<Head>(FIND_HEAD, []);
  if (!head) throw new Error('the database told nothing of itself');
  return head;
}

// Whoever knows all that is older than a transaction has seen no row of such a one that was stamped after they looked.
// Where there is one, the database was set back behind the cursor and has come by it again. The first rows tell.
const JUDGE = statement(`
SELECT ${HEAD}, pg_snapshot_xmax(pg_current_snapshot())::text AS ahead, EXISTS (
  SELECT FROM (SELECT r.tx FROM revocations r WHERE r.at > to_timestamp($2::float8 / 1000) ORDER BY r.at LIMIT 100) first
  WHERE first.tx < $1::bigint) AS "setBack"`);

export interface Judged extends Head {
  /** The first transaction that had not begun. */
  readonly ahead: string;
  /** Whether the database was restored to before the cursor and has grown since. */
  readonly setBack: boolean;
}

/** What the database says of a cursor. */
export async function judgeCursor(tx: SystemReader, { tx: place, at }: RevocationCursor): Promise<Judged> {
  const [judged] = await tx.rows<Judged>(JUDGE, [place, at]);
  if (!judged) throw new Error('the database told nothing of itself');
  return judged;
}

// One row, of which the revocations are one value: rows of their own would take several times as long to read.
// $1 organizations, null for all; $2 transaction and $3 row of the place to go on from, $4 seconds to look back, $5 rows to
// look at, $6 snapshot and $7 instant (ms since 1970) of what was seen, both null for nothing.
const page = (told: string) =>
  statement(`
WITH scanned AS MATERIALIZED (
  SELECT * FROM revocations
  WHERE (tx, id) > ($2::bigint, $3::uuid) AND at > clock_timestamp() - $4::float8 * interval '1 second'
  ORDER BY tx, id LIMIT $5::int
),
news AS (
  SELECT * FROM scanned WHERE ${isNews('$6', '$7')}
),
told AS (${told})
SELECT ${HEAD}, (SELECT count(*)::int FROM scanned) AS scanned, l.tx::text AS "lastTx", l.id::text AS "lastId",
  (SELECT coalesce(json_agg(json_build_array(told.tx::text, organization_id, kind, subject, epoch, state,
    ceil(extract(epoch FROM not_before))::float8, (extract(epoch FROM at) * 1000)::float8) ORDER BY told.tx, told.id), '[]')
  FROM told) AS told
FROM (VALUES (1)) one LEFT JOIN LATERAL (SELECT tx, id FROM scanned ORDER BY tx DESC, id DESC LIMIT 1) l ON true`);

const OF_ALL = page('SELECT *, ($1::uuid[])[1] AS organization_id FROM news');

// Who may know of a row: the organization of its cause; those that the user is a member of, whatever their status, for a
// token of each may carry this epoch or be of this session; the client's own; the organization itself; and everybody.
// What a session acts for is always one of its user's memberships.
const OF_ORGANIZATIONS = page(`
  SELECT *, caused_in AS organization_id FROM news WHERE caused_in = ANY ($1::uuid[])
  UNION SELECT n.*, m.organization_id FROM news n
    JOIN memberships m ON m.user_id = n.subject AND m.organization_id = ANY ($1::uuid[]) WHERE n.kind = 'user'
  UNION SELECT n.*, m.organization_id FROM news n JOIN sessions s ON s.id = n.subject
    JOIN memberships m ON m.user_id = s.user_id AND m.organization_id = ANY ($1::uuid[]) WHERE n.kind = 'session'
  UNION SELECT n.*, c.organization_id FROM news n
    JOIN clients c ON c.id = n.subject AND c.organization_id = ANY ($1::uuid[]) WHERE n.kind = 'client'
  UNION SELECT *, subject FROM news WHERE kind = 'organization' AND subject = ANY ($1::uuid[])
  UNION SELECT n.*, o.id FROM news n, unnest($1::uuid[]) o (id) WHERE n.kind = 'everything'`);

export interface Told {
  readonly revocation: Revocation;
  /** The transaction that wrote it. */
  readonly tx: string;
  /** Who may know of it, one at a time; null for who asked about all. */
  readonly organization: string | null;
}

export interface FeedPage extends Head {
  /** In the order of their transactions. */
  readonly events: readonly Told[];
  /** Where the next page begins; null when this was the last. */
  readonly next: RevocationPlace | null;
}

export interface PageAsked {
  readonly after: RevocationPlace;
  readonly withinSeconds: number;
  /** Rows to look at: of those the page has what may be told. */
  readonly rows: number;
  /** Leaves out what this reading saw. */
  readonly seen: Seen | null;
}

type Row = RevocationRow;
type ToldRow = [string, string | null, Row['kind'], string, Row['epoch'], Row['state'], Row['notBefore'], Row['at']];

interface PageRow extends Head {
  readonly scanned: number;
  readonly lastTx: string;
  readonly lastId: string;
  readonly told: readonly ToldRow[];
}

function toTold([tx, organization, kind, subject, epoch, state, notBefore, at]: ToldRow): Told {
  return { tx, organization, revocation: toRevocation({ kind, subject, epoch, state, notBefore, at }) };
}

/** Revocations behind a place: all of them for null, else those that one of the organizations may know of. */
export async function listFeedPage(
  tx: SystemReader,
  organizations: readonly string[] | null,
  { after, withinSeconds, rows, seen }: PageAsked,
): Promise<FeedPage> {
  const asked = organizations === null ? OF_ALL : OF_ORGANIZATIONS;
  const values = [organizations, after.tx, after.id, withinSeconds, rows, seen?.snapshot ?? null, seen?.now ?? null];
  const [page] = await tx.rows<PageRow>(asked, values);
  if (!page) throw new Error('the database told nothing of itself');
  const { told, scanned, lastTx, lastId, ...head } = page;
  return { ...head, events: told.map(toTold), next: scanned < rows ? null : { tx: lastTx, id: lastId } };
}
