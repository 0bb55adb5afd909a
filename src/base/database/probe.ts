// Checks, apart from all requests, whether PostgreSQL answers and whether it stores changes.
import pg from 'pg';
import { systemTiming, type Timing } from '../loops/timing.ts';
import { DatabaseNotWritable, DatabaseUnavailable, notWritable } from './outage.ts';
import { type Statement, statement } from './statement.ts';

/**
 * Connects once and queries one row. Raises the error of PostgreSQL or of the network. The connection and the query may
 * each take `withinMs`.
 */
export async function askServer(connectionString: string, withinMs: number): Promise<void> {
  const client = new pg.Client({
    connectionString,
    application_name: 'tenantry-probe',
    connectionTimeoutMillis: withinMs,
    query_timeout: withinMs,
  });
  client.on('error', () => undefined); // the running call fails through its own promise
  try {
    await client.connect();
    await client.query('SELECT 1');
  } finally {
    client.end().catch(() => undefined); // a server that does not answer does not confirm the end either
  }
}

/**
 * Stores something, without a table that would grow. The message is a record of the write-ahead log, which the commit
 * flushes to the disk, and which replicas may have to confirm. Nothing reads the record. The exported snapshot is a
 * small file among the data, which needs free space, and which the end of the transaction removes. On a read-only
 * server neither call is made, because each reports that state in its own way.
 */
export const WRITE_PROBE: Statement = statement(`
SELECT r.read_only AS "readOnly", CASE WHEN r.read_only THEN NULL ELSE
  pg_logical_emit_message(true, 'tenantry', 'probe')::text || pg_export_snapshot() END AS written
FROM (SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only) r`);

/**
 * The SQL of the lineage of a database as a text: its server and the timeline of that server. The lineage changes with
 * every failover, with a backup that is restored to a point in time, and when the data is loaded into another server. A
 * restart and a crash do not change it. PostgreSQL refuses the expression on a standby.
 */
export const CURRENT_LINEAGE = `(SELECT system_identifier::text FROM pg_control_system())
  || '/' || ltrim(left(pg_walfile_name(pg_current_wal_lsn()), 8), '0')`;

/** Raises DatabaseNotWritable if the row that WRITE_PROBE returned says that PostgreSQL is read-only. */
export function assertWritten(row: { readonly readOnly: boolean } | undefined): void {
  if (row?.readOnly !== false) throw new DatabaseNotWritable('read_only');
}

/** How long a success of the probe counts, so that frequent calls cause little load. */
const COUNTS_MS = 1_000;
/** How long a refused write of a request counts although a probe could write. */
const REFUSAL_COUNTS_MS = 10_000;

export interface WritabilityDeps {
  /** Runs WRITE_PROBE. */
  readonly probe: () => Promise<void>;
  readonly onChange: (reason: string | null) => void;
  readonly timing?: Timing;
}

export interface Writability {
  /**
   * Resolves if PostgreSQL stores changes. Callers at the same time share one probe, and its success counts for a
   * second. Raises DatabaseUnavailable. Raises DatabaseNotWritable when the probe could not write, or when a write of a
   * request was refused recently.
   */
  check(): Promise<void>;
  /** Notes the error of a statement. */
  note(error: unknown): void;
}

/** Knows whether PostgreSQL stores changes, from a probe and from the errors of requests. */
export function createWritability({ probe, onChange, timing = systemTiming }: WritabilityDeps): Writability {
  let goodAt = Number.NEGATIVE_INFINITY;
  let refused: { readonly at: number; readonly error: DatabaseNotWritable } | undefined;
  let asking: Promise<void> | undefined;
  let reported: string | null = null;

  function report(reason: string | null): void {
    if (reason !== reported) onChange(reason);
    reported = reason;
  }

  function note(error: unknown): void {
    if (error instanceof DatabaseUnavailable) goodAt = Number.NEGATIVE_INFINITY;
    const reason = notWritable(error);
    if (!reason) return;
    const known = error instanceof DatabaseNotWritable ? error : new DatabaseNotWritable(reason, { cause: error });
    refused = { at: timing.elapsed(), error: known };
    report(reason);
  }

  async function ask(): Promise<void> {
    const begun = timing.elapsed();
    try {
      await probe();
    } catch (error) {
      note(error);
      throw error;
    } finally {
      asking = undefined;
    }
    // Once a read-only server is writable again, it accepts every write. With a full disk, a statement may fail
    // although the probe has just succeeded.
    const isOver = refused?.error.reason === 'read_only' ? refused.at < begun : isPast(refused?.at);
    if (refused && !isOver) throw refused.error;
    refused = undefined;
    goodAt = begun;
    report(null);
  }

  const isPast = (at = Number.NEGATIVE_INFINITY) => timing.elapsed() - at > REFUSAL_COUNTS_MS;

  return {
    note,
    async check() {
      if (timing.elapsed() - goodAt < COUNTS_MS) return;
      asking ??= ask();
      await asking;
    },
  };
}
