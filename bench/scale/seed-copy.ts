// Runs COPY … FROM STDIN (PostgreSQL protocol, "COPY Operations") on a connection of node-postgres. That library itself
// does not support COPY. seed-rows.ts generates the rows.
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import pg from 'pg';

// The parts of a node-postgres connection and query that this file uses and overrides, as pg-copy-streams does. The
// published types do not include these parts.
interface Connection {
  readonly stream: Writable;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
}
interface Submittable {
  handleCopyInResponse(connection: Connection): void;
}
const BaseQuery = pg.Query as unknown as new (
  config: { text: string },
  callback: (error: Error | null) => void,
) => Submittable;

const CHUNK_CHARACTERS = 64 * 1024;

class CopyIn extends BaseQuery {
  readonly #lines: Iterable<string>;

  constructor(text: string, lines: Iterable<string>, callback: (error: Error | null) => void) {
    super({ text }, callback);
    this.#lines = lines;
  }

  override handleCopyInResponse(connection: Connection): void {
    this.#send(connection).then(
      () => connection.endCopyFrom(),
      (error: Error) => connection.sendCopyFail(error.message),
    );
  }

  async #send(connection: Connection): Promise<void> {
    let chunk = '';
    const flush = async () => {
      connection.sendCopyFromChunk(Buffer.from(chunk));
      chunk = '';
      if (connection.stream.writableNeedDrain) await once(connection.stream, 'drain');
    };
    for (const line of this.#lines) {
      chunk += line;
      if (chunk.length >= CHUNK_CHARACTERS) await flush();
    }
    if (chunk !== '') await flush();
  }
}

/** One value of a row. An array becomes a PostgreSQL array. The texts of an array must not need quotes. */
export type Value = string | number | null | readonly string[];

function field(value: Value): string {
  if (value === null) return '\\N';
  if (Array.isArray(value)) return `{${value.join(',')}}`;
  return String(value).replace(/[\\\t\n\r]/g, (character) => `\\${character}`);
}

/** Copies the rows into the table. Returns their number. Raises the errors of PostgreSQL. */
export async function copyRows(
  client: pg.Client,
  table: string,
  columns: readonly string[],
  rows: Iterable<readonly Value[]>,
): Promise<number> {
  let count = 0;
  function* lines() {
    for (const row of rows) {
      count += 1;
      yield `${row.map(field).join('\t')}\n`;
    }
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const query = new CopyIn(`COPY ${table} (${columns.join(', ')}) FROM STDIN`, lines(), (error) => {
    if (error) reject(error);
    else resolve();
  });
  client.query(query as unknown as pg.Submittable);
  await promise;
  return count;
}
