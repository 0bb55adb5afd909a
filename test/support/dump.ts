// Reads every table as text, as a plain dump has it, and looks for values that must not be there.
import type { TestDatabase } from './database.ts';

const TABLES = `SELECT quote_ident(relname) AS name FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1`;

/** Every row of every table, one a line, after the name of its table. */
export async function dump(database: TestDatabase): Promise<string> {
  const tables = await database.query<{ name: string }>(TABLES);
  const rows: string[] = [];
  for (const { name } of tables) {
    const found = await database.query<{ row: string }>(`SELECT r::text AS row FROM ${name} AS r`);
    rows.push(...found.map(({ row }) => `${name}: ${row}`));
  }
  return rows.join('\n');
}

/** The forms in which a value could be stored or logged without a key. */
export function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  return [
    value,
    bytes.toString('hex'),
    bytes.toString('base64').slice(0, -4),
    bytes.toString('base64url').slice(0, -4),
  ];
}
