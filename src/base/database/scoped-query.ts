// Sends one scoped statement in one round trip to PostgreSQL. The scope and the statement are executed before one Sync,
// which makes them one implicit transaction (PostgreSQL protocol, "Extended Query": Pipelining). A transaction block
// around the statement would need four round trips.
import pg from 'pg';
import type { Statement } from './db.ts';

// The internal interface of a query in node-postgres (pg-cursor uses it too). The published types leave it out.
interface Connection {
  parse(message: { name: string; text: string; types: readonly number[] }): void;
  bind(message: { portal: string; statement: string; values: readonly string[] }): void;
  execute(message: { portal: string; rows: number }): void;
}
interface Submittable {
  prepare(connection: Connection): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}
const BaseQuery = pg.Query as unknown as new (
  config: { name: string; text: string; values: readonly unknown[] },
  callback: (error: Error | null, result: pg.QueryResult) => void,
) => Submittable;

// This statement returns no row, so that its answer is one CommandComplete. PostgreSQL runs both calls, because
// set_config never returns null.
const SCOPE = {
  name: 'tenantry_scope',
  text: `SELECT FROM (VALUES (1)) AS one (row) WHERE set_config('app.current_org_id', $1, true) IS NULL
    OR set_config('app.current_user_id', $2, true) IS NULL`,
  types: [],
};

const scopeKnownTo = new WeakSet<Connection>();

class ScopedQuery extends BaseQuery {
  readonly #scope: readonly string[];
  #scopeAnswered = false;

  constructor(
    scope: readonly string[],
    query: Statement,
    values: readonly unknown[],
    callback: (error: Error | null, result: pg.QueryResult) => void,
  ) {
    super({ ...query, values }, callback);
    this.#scope = scope;
  }

  override prepare(connection: Connection): void {
    if (!scopeKnownTo.has(connection)) {
      connection.parse(SCOPE);
    }
    connection.bind({ portal: '', statement: SCOPE.name, values: this.#scope });
    connection.execute({ portal: '', rows: 0 });
    super.prepare(connection);
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#scopeAnswered) super.handleCommandComplete(message, connection);
    this.#scopeAnswered = true;
    scopeKnownTo.add(connection); // only now is it certain that the connection has prepared the statement
  }
}

/** Runs one statement in the scope ([organization id or '', user id or '']). Returns its rows. */
export function runScoped<Row>(
  client: pg.PoolClient,
  scope: readonly string[],
  statement: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  const { promise, resolve, reject } = Promise.withResolvers<Row[]>();
  const query = new ScopedQuery(scope, statement, values, (error, result) => {
    if (error) reject(error);
    else resolve(result.rows as Row[]);
  });
  client.query(query as unknown as pg.Submittable);
  return promise;
}
