// A PostgreSQL connection as Prisma's schema engine needs it. @prisma/adapter-pg is made for queries: it splits
// scripts at every semicolon, does not support the type "char" of the catalogue, and uses the main database as the
// shadow database. engine.ts calls the engine.
import { PrismaPg } from '@prisma/adapter-pg';
import {
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import pg from 'pg';

const CHAR_OID = 18;
const TEXT_OID = 25;

/** Reports "char" as text and remembers for each result which columns these were. */
function tolerantOfChar(pool: pg.Pool, charColumns: WeakMap<object, number[]>): pg.Pool {
  return new Proxy(pool, {
    get(target, property) {
      if (property !== 'query') {
        const member: unknown = Reflect.get(target, property, target);
        return typeof member === 'function' ? member.bind(target) : member;
      }
      return async (config: pg.QueryArrayConfig) => {
        const result = await target.query(config);
        const found = result.fields.flatMap(({ dataTypeID }, at) => (dataTypeID === CHAR_OID ? [at] : []));
        const fields = result.fields.map((field) => ({
          ...field,
          dataTypeID: field.dataTypeID === CHAR_OID ? TEXT_OID : field.dataTypeID,
        }));
        charColumns.set(result.rows, found);
        return { ...result, fields };
      };
    },
  });
}

async function connect(url: string): Promise<SqlDriverAdapter> {
  const pool = new pg.Pool({ connectionString: url, max: 1 });
  pool.on('error', () => undefined);
  const charColumns = new WeakMap<object, number[]>();
  const adapter = await new PrismaPg(tolerantOfChar(pool, charColumns)).connect();
  const queryRaw = adapter.queryRaw.bind(adapter);
  adapter.queryRaw = async (query) => {
    const answer = await queryRaw(query);
    for (const column of charColumns.get(answer.rows) ?? []) answer.columnTypes[column] = ColumnTypeEnum.Character;
    return answer;
  };
  adapter.executeScript = async (script) => void (await pool.query(script));
  adapter.dispose = () => (pool.ended ? Promise.resolve() : pool.end());
  return adapter;
}

let shadows = 0;

/**
 * A separate database, in which migrations are replayed. The database is dropped when the engine disposes of the
 * connection.
 */
async function connectToShadow(url: string): Promise<SqlDriverAdapter> {
  shadows += 1;
  const name = `tenantry_shadow_${process.pid}_${shadows}`;
  await runOnce(url, `CREATE DATABASE ${name}`);
  const own = new URL(url);
  own.pathname = `/${name}`;
  const adapter = await connect(own.href);
  const close = adapter.dispose.bind(adapter);
  adapter.dispose = async () => {
    await close();
    await runOnce(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  };
  return adapter;
}

async function runOnce(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

export interface SchemaConnections extends SqlMigrationAwareDriverAdapterFactory {
  /** Closes the connections that the engine left open, and drops the engine's shadow databases. */
  close(): Promise<void>;
}

/** Returns connections to the database in the URL, whose role must have CREATEDB. */
export function schemaConnections(url: string): SchemaConnections {
  const opened: SqlDriverAdapter[] = [];
  const remember = async (adapter: Promise<SqlDriverAdapter>) => {
    opened.push(await adapter);
    return adapter;
  };
  return {
    provider: 'postgres',
    adapterName: '@prisma/adapter-pg',
    connect: () => remember(connect(url)),
    connectToShadowDb: () => remember(connectToShadow(url)),
    close: async () => void (await Promise.all(opened.map((adapter) => adapter.dispose()))),
  };
}
