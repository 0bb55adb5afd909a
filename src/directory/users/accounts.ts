// Reads accounts for operators, across all organizations: one account, or a list.

import type { Database, SystemReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Page, type Paged, pageOf } from '../../base/platform/page.ts';
import { isIdShaped, NIL_ID } from '../../protocol/id.ts';
import {
  type AccountFilter,
  type AccountRow,
  countAccounts,
  findAccount,
  findAccountsAmong,
  findInSlice,
  listAccountRows,
  listAccountsByIds,
} from './account-store.ts';
import { parseEmail } from './email.ts';
import { findPeople } from './search.ts';

/** Instants are in ISO 8601 format and in UTC. */
export interface Account extends Omit<AccountRow, 'createdAt'> {
  readonly createdAt: string;
}

function toAccount({ id, email, name, status, emailVerified, platformAdministrator, createdAt }: AccountRow): Account {
  return { id, email, name, status, emailVerified, platformAdministrator, createdAt: createdAt.toISOString() };
}

/** The account with this id or e-mail, even when the account is disabled. Raises not_found. */
export async function getAccount(deps: { readonly db: Database }, reference: string): Promise<Account> {
  const emailKey = parseEmail(reference)?.key;
  const by = isIdShaped(reference) ? { id: reference } : emailKey === undefined ? null : { emailKey };
  const row = by && (await findAccount(deps.db.systemReader(), by));
  if (!row) throw problem('not_found', { detail: 'There is no account with this e-mail or id.' });
  return toAccount(row);
}

/**
 * The accounts that match the filter, the oldest first. A search by status or organization alone looks through the
 * accounts in slices, so that no statement runs long.
 */
export async function listAccounts(
  { db }: { readonly db: Database },
  search: AccountSearch,
  page: Page,
): Promise<Paged<Account>> {
  const reader = db.systemReader({ bulk: true });
  const found = await find(reader, search, page);
  return pageOf(found.rows.map(toAccount), found.total, page);
}

export interface AccountSearch extends AccountFilter {
  /** A part of the e-mail or the name, whatever the case of its letters. Null for all accounts. */
  readonly text: string | null;
}

async function find(reader: SystemReader, { text, ...filter }: AccountSearch, page: Page) {
  const { status, organizationId } = filter;
  if (text !== null) {
    return findAccountsAmong(reader, await findPeople(reader, text, organizationId), status, page);
  }
  if (status !== null || organizationId !== null) return searchInSlices(reader, filter, page);
  return { total: await countAccounts(reader), rows: await listAccountRows(reader, page) };
}

/** Counts every match, and keeps those of the page. */
async function searchInSlices(reader: SystemReader, filter: AccountFilter, { limit, offset }: Page) {
  let total = 0;
  const ids: string[] = [];
  for (let after: string | null = NIL_ID; after !== null; ) {
    const { fitting, last } = await findInSlice(reader, filter, after);
    ids.push(...fitting.slice(Math.max(0, offset - total), Math.max(0, offset + limit - total)));
    total += fitting.length;
    after = last;
  }
  return { total, rows: ids.length === 0 ? [] : await listAccountsByIds(reader, ids) };
}
