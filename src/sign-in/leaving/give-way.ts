// Closes an account that nobody has proven, because somebody else has proven that its address is theirs and gets this
// address for an account of their own. Otherwise anybody who registers an address could keep its owner from it. The
// account ends as if its user had left, with the service clients that the user has made.
import type { SystemTx } from '../../base/database/db.ts';
import type { CreateDeps } from '../../credentials/one-time/create.ts';
import { type ClosableAccount, lockAccounts } from '../../directory/users/close-store.ts';
import { findAccountByMailbox } from '../../directory/users/mailbox-store.ts';
import { type ClaimDeps, type Claimed, lockHeld } from '../mailbox-proof/claim.ts';
import type { HeldOrganization } from '../mailbox-proof/planted-store.ts';
import type { ClosingDeps } from './close-account.ts';
import { erase } from './erase.ts';

export interface GiveWayDeps
  extends CreateDeps,
    Pick<ClaimDeps, 'removeClientsOf'>,
    Pick<ClosingDeps, 'endAdministration'> {}

/** The unproven account that has the address, under its locks. */
export interface Unproven {
  readonly account: ClosableAccount;
  readonly held: readonly HeldOrganization[];
}

/** Null when no such account has the address: it is free, or a proven or disabled account has it. */
export interface Found {
  readonly unproven: Unproven | null;
}

/**
 * Finds the unproven account that has the address and has to give way to the user. Locks first its organizations, as
 * every change of members does, and then both accounts in the order of their ids: so two of these transactions cannot
 * deadlock, not even for the same two accounts the other way round. It must run before anything else locks the user.
 * Returns null if the caller has to begin again (see `beginAgain`).
 */
export async function lockUnproven(
  tx: SystemTx,
  { userId, emailKey }: { readonly userId: string; readonly emailKey: string },
): Promise<Found | null> {
  const found = await findAccountByMailbox(tx, emailKey);
  if (!found?.canBeTakenOver || found.id === userId) return { unproven: null };
  let accounts: readonly ClosableAccount[] = [];
  const held = await lockHeld(tx, found.id, async () => {
    accounts = await lockAccounts(tx, [found.id, userId]);
  });
  if (held === null) return null;
  // Meanwhile the account may have been proven, disabled or closed.
  const now = await findAccountByMailbox(tx, emailKey);
  if (!now?.canBeTakenOver) return { unproven: null };
  const account = accounts.find(({ id }) => id === now.id);
  return account ? { unproven: { account, held } } : null;
}

/**
 * Closes the account that `lockUnproven` has found, after the user has proven the address. The address is free then.
 * The active organizations that hold nobody else are deleted; the caller removes their rows, and publishes the
 * revocations.
 */
export async function giveWay(deps: GiveWayDeps, tx: SystemTx, { unproven }: Found): Promise<Claimed> {
  if (!unproven) return { revocations: [], deleted: [] };
  const { account, held } = unproven;
  const deleted = held.filter(({ isOnlyTheirs }) => isOnlyTheirs);
  await deps.endAdministration(tx, account.id, { actorId: null, evenLast: true });
  const clients = await deps.removeClientsOf(tx, account.id);
  const ended = await erase(deps, tx, { account, actorId: null, held, deleted });
  return { revocations: [...clients, ...ended], deleted: deleted.map(({ id }) => id) };
}
