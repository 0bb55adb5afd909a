// Finds the SQL in the source that inserts events, and reads the event types from it.
import { sourcesBelow } from '../../support/sources.ts';

export interface EventStatement {
  readonly path: string;
  /** The types that the statement may write. null if the types are not literals in the statement. */
  readonly types: readonly string[] | null;
}

const INSERT = /\bINSERT\s+INTO\s+(?:public\.)?"?events"?\s*\(([^)]*)\)\s*/gi;
const LITERAL = /^'([^']+)'$/;
const CASE = /^CASE\s+.*\bEND$/is;

/** Returns every statement of src/ that inserts events. */
export function eventStatements(): EventStatement[] {
  return sourcesBelow('src', /\.ts$/).flatMap(({ path, code }) => statementsOf(path, code));
}

/** Returns the statements of one text. */
export function statementsOf(path: string, code: string): EventStatement[] {
  return [...code.matchAll(INSERT)].map(({ 0: head, 1: columns = '', index }) => {
    const at = columns.split(',').findIndex((column) => column.trim() === 'type');
    const selected = selections(code.slice(index + head.length)).map((list) => typesOf(list[at] ?? ''));
    const isRead = selected.length > 0 && selected.every((types) => types.length > 0);
    return { path, types: isRead ? selected.flat() : null };
  });
}

// Returns the lists between SELECT and FROM of the inserted rows. A parenthesis or a quote ends the statement.
function selections(text: string): string[][] {
  const lists: string[][] = [];
  let [depth, list, from]: [number, string[] | null, number] = [0, null, 0];
  for (const { 0: token, index } of text.matchAll(/[(),`]|\bSELECT\b|\bFROM\b/gi)) {
    if (token === '(') depth += 1;
    else if (token === ')') depth -= 1;
    if (depth < 0 || token === '`') break;
    if (depth > 0 || token === '(' || token === ')') continue;
    if (token.toUpperCase() === 'SELECT') [list, from] = [[], index + token.length];
    else if (list) {
      list.push(text.slice(from, index).trim());
      from = index + token.length;
      if (token === ',') continue;
      lists.push(list);
      list = null;
    }
  }
  return lists;
}

function typesOf(expression: string): string[] {
  const [, literal] = LITERAL.exec(expression) ?? [];
  if (literal !== undefined) return [literal];
  if (!CASE.test(expression)) return [];
  const results = [...expression.matchAll(/\b(?:THEN|ELSE)\s+(\S+)/gi)].map(
    ([, result = '']) => LITERAL.exec(result)?.[1],
  );
  return results.every((type) => type !== undefined) ? results : [];
}
