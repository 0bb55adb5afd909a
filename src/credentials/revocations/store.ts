// The queries of revocations.
import { type SystemReader, statement } from '../../base/database/db.ts';
import type { Revocation } from '../../protocol/revocation.ts';

export interface RevocationRow {
  readonly kind: 'session' | 'user' | 'organization' | 'client' | 'key' | 'everything';
  readonly subject: string;
  readonly epoch: number | null;
  readonly state: 'active' | 'suspended' | null;
  /** The organization of the changed membership or role. Null for a change of the user. */
  readonly membershipOf: string | null;
  /** The name of a changed role, as tokens from before the change have it. Then the subject is the organization. */
  readonly role: string | null;
  /** The thumbprint of a revoked key. Null for every other kind. */
  readonly kid: string | null;
  /** Seconds since 1970. */
  readonly notBefore: number | null;
  /** Milliseconds since 1970, to the microsecond. */
  readonly at: number;
}

/** How far a reading got: the last transaction and the last row that it read. */
export interface RevocationPosition {
  /** A transaction id of PostgreSQL (64 bit, decimal). */
  readonly tx: string;
  readonly id: string;
}

/**
 * What a reading saw: rows that are visible in its snapshot and have a time no later than the reading. The snapshot
 * alone is not enough: after a crash, or on a promoted standby, PostgreSQL may use transaction ids again that the
 * snapshot counts as seen. The rows of such transactions have a later time.
 */
export interface Seen {
  /** The snapshot as PostgreSQL writes it. */
  readonly snapshot: string;
  /** The database's clock at that reading, in ms since 1970. */
  readonly now: number;
}

export interface RevocationPage extends Seen {
  readonly revocations: readonly Revocation[];
  /** Where the next page begins; null after the last page. */
  readonly next: RevocationPosition | null;
  /**
   * The oldest transaction that was still running. All older transactions were seen, so the next reading begins with
   * this one.
   */
  readonly horizon: string;
  /**
   * The newest transaction of the rows; null without a row. A row that was copied from another server may have a
   * transaction that this server has not reached. Such a transaction does not count.
   */
  readonly newestTx: string | null;
}

export interface RevocationsRequest {
  readonly after: RevocationPosition;
  /**
   * Leaves out rows that an earlier reading saw. While a long transaction runs, many such rows come after the horizon.
   */
  readonly seen: Seen | null;
  readonly withinSeconds: number;
  readonly limit: number;
}

type PageRow = RevocationRow & RevocationPosition & Seen & { readonly horizon: string };

/** The columns that describe a reading: its snapshot, its horizon and its time. */
export const READING = `pg_current_snapshot()::text AS snapshot, pg_snapshot_xmin(pg_current_snapshot())::text AS horizon,
  (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`;

/**
 * The SQL condition for a row that no earlier reading saw. The parameters are `snapshot` and `now` of `Seen`. Both are
 * null if there was no earlier reading.
 */
export const isUnseen = (snapshot: string, now: string) => `(${snapshot}::text IS NULL
  OR at > to_timestamp(${now}::float8 / 1000)
  OR NOT pg_visible_in_snapshot(tx::text::xid8, ${snapshot}::text::pg_snapshot))`;

// $1 transaction and $2 row to continue after, $3 seconds to look back, $4 limit, $5 snapshot and $6 time (ms since
// 1970) of the reading whose rows are left out, both null for none.
const PAGE = statement(`
SELECT h.*, r.* FROM (SELECT ${READING}) h LEFT JOIN LATERAL (
  SELECT id::text, tx::text, kind, subject, epoch, state,
    membership_organization_id AS "membershipOf", role_name AS role, kid, ceil(extract(epoch FROM not_before))::float8 AS "notBefore",
    (extract(epoch FROM at) * 1000)::float8 AS at FROM revocations
  WHERE (revocations.tx, revocations.id) > ($1::bigint, $2::uuid) AND at > clock_timestamp() - $3::float8 * interval '1 second'
    AND ${isUnseen('$5', '$6')}
  ORDER BY revocations.tx, revocations.id LIMIT $4::int) r ON true`);

/** The next revocations after `after` that are at most `withinSeconds` old, at most `limit` of them. */
export async function listRevocations(
  tx: SystemReader,
  { after, seen, withinSeconds, limit }: RevocationsRequest,
): Promise<RevocationPage> {
  const known = [seen?.snapshot ?? null, seen?.now ?? null];
  const found = await tx.rows<PageRow>(PAGE, [after.tx, after.id, withinSeconds, limit, ...known]);
  const [head] = found; // there is always one row; if there is no revocation, its columns are null
  if (!head) throw new Error('the head query returned no row');
  const rows = found.filter(({ id }) => id !== null);
  const last = rows.length === limit ? rows.at(-1) : undefined;
  const end = BigInt(head.snapshot.split(':')[1] ?? 0);
  return {
    newestTx: rows.findLast(({ tx }) => BigInt(tx) < end)?.tx ?? null,
    revocations: rows.map(toRevocation),
    next: last ? { tx: last.tx, id: last.id } : null,
    horizon: head.horizon,
    snapshot: head.snapshot,
    now: head.now,
  };
}

/** The revocation that a row describes. */
export function toRevocation(row: RevocationRow): Revocation {
  const { kind, subject, epoch, state, membershipOf, role, kid, notBefore, at } = row;
  if (kind === 'key') return { kind, kid: kid ?? '' };
  if (kind === 'session') return { kind, sid: subject };
  if (kind === 'user' && role !== null) return { kind: 'role', org: subject, role, epoch: epoch ?? 0 };
  if (kind === 'user' && membershipOf !== null) {
    return { kind: 'membership', sub: subject, org: membershipOf, epoch: epoch ?? 0 };
  }
  if (kind === 'user') return { kind, sub: subject, epoch: epoch ?? 0 };
  if (kind === 'client') return { kind, client_id: subject, epoch: epoch ?? 0 };
  if (kind === 'everything') return { kind, not_before: notBefore ?? 0 };
  return { kind, org: subject, state: state ?? 'suspended', at };
}

const REMOVE_REVOCATIONS = statement(`
DELETE FROM revocations WHERE at < clock_timestamp() - $1::float8 * interval '1 second'`);

/** Removes revocations older than `olderThanSeconds`. Every access token they concern has expired. */
export async function deleteRevocations(tx: SystemReader, olderThanSeconds: number): Promise<void> {
  await tx.rows(REMOVE_REVOCATIONS, [olderThanSeconds]);
}
