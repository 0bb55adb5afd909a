// Reads accounts for operators, across all organizations: one account, or a list.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Page, type Paged, paged } from '../../base/platform/page.ts';
import { isIdShaped } from '../../protocol/id.ts';
import { type AccountRow, type AccountSearch, countAccounts, findAccount, listAccountRows } from './account-store.ts';
import { parseEmail } from './email.ts';

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

/** The accounts that match the filter, the oldest first. */
export async function listAccounts(
  deps: { readonly db: Database },
  search: AccountSearch,
  page: Page,
): Promise<Paged<Account>> {
  const reader = deps.db.systemReader();
  return paged(await listAccountRows(reader, search, page), page, {
    toItem: toAccount,
    countAll: () => countAccounts(reader, search),
  });
}
