// How a user is found by the e-mail address, and how the personal data of a row is opened.
import { type Reader, type Statement, statement } from '../../base/database/db.ts';
import type { Open } from '../../base/secrets/personal.ts';

const sealed = (column: string, first: number) => `${column}_lookup = decode($${first}, 'base64')`;
// A row that the previous version has written has no lookup until it is sealed.
const expanding = (column: string, first: number) =>
  `(${sealed(column, first)} OR (${column}_lookup IS NULL AND ${column}_key = $${first + 1}))`;

/** A function that makes the query for a canonical e-mail: a statement with its values. */
export type AskByEmail = (
  tx: Pick<Reader<string>, 'personal'>,
  emailKey: string,
) => { readonly query: Statement; readonly values: readonly string[] };

/**
 * A statement about the rows of `users u`, or of `invitations i`, with a canonical e-mail. `write` gets the condition.
 * The first parameter of the condition is the lookup. While the database has unsealed e-mails, the second one is the
 * e-mail. These are the last parameters of the statement.
 */
export function byEmail(
  write: (is: string) => string,
  { table = 'users', first = 1 }: { readonly table?: 'users' | 'invitations'; readonly first?: number } = {},
): AskByEmail {
  const column = table === 'users' ? 'u.email' : 'i.email';
  const [whenSealed, before] = [sealed, expanding].map((is) => statement(write(is(column, first)))) as [
    Statement,
    Statement,
  ];
  return ({ personal }, emailKey) => {
    const found = personal.lookup(`${table}.email`, emailKey);
    return personal.isSealed ? { query: whenSealed, values: [found] } : { query: before, values: [found, emailKey] };
  };
}

/** The row with e-mail and name opened. */
export function withPerson<Row extends { readonly id: string; readonly email: string; readonly name: string }>(
  open: Open,
  row: Row,
): Row {
  const { id, email, name } = row;
  return { ...row, email: open('users.email', id, email), name: open('users.name', id, name) };
}
