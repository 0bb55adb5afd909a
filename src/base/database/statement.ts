// A statement with a name, under which each connection keeps it prepared.
import { createHash } from 'node:crypto';

/** One SQL statement with its own name. Each connection keeps it prepared under that name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

/** Names a statement by its text. */
export function statement(text: string): Statement {
  return { name: statementName(text), text };
}

/** The name of a statement with this text. */
export function statementName(text: string): string {
  return `s${createHash('sha1').update(text).digest('hex').slice(0, 15)}`;
}
