// Makes the account of a registration whose mailbox is proven. Of several registrations of one address, the first that
// is proven becomes the account, and the other registrations end. If the address got an account in another way
// meanwhile, nothing changes.
import type { SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { recordOwn } from '../../base/events/record.ts';
import type { Language } from '../../base/page-kit/language.ts';
import { newId } from '../../base/platform/random.ts';
import {
  type InsertOrganizationDeps,
  insertOrganization,
  type SlugChoice,
} from '../../directory/organizations/insert-organization.ts';
import { type EmailAddress, parseEmail } from '../../directory/users/email.ts';
import { findAccountByMailbox } from '../../directory/users/mailbox-store.ts';
import { insertUser } from '../../directory/users/store.ts';
import { type ClaimDeps, type Claimed, claimUnproven, lockHeld } from '../mailbox-proof/claim.ts';
import { proveMailbox } from '../mailbox-proof/proven.ts';
import { deleteRegistrationsOf } from './store.ts';

export interface OpenAccountDeps extends ClaimDeps, InsertOrganizationDeps {}

export interface AccountToOpen {
  readonly registration: { readonly id: string; readonly email: string };
  /** The hash of the token by which the mailbox was proven, in hexadecimal digits. Null for a proof by code. */
  readonly tokenHash: string | null;
  readonly name: string;
  /** Null leaves the account without a password. */
  readonly passwordHash: string | null;
  readonly locale: Language | null;
  readonly organization: { readonly name: string; readonly slug: SlugChoice } | null;
}

export interface OpenedAccount extends Claimed {
  readonly userId: string;
  readonly email: EmailAddress;
}

/**
 * Uses the registration up. An account with this address that nobody has proven is claimed (see `claimUnproven`).
 * Raises invalid_or_expired_token, which undoes the transaction, when the address has a proven or disabled account, or
 * the registration has ended, expired or got a newer token. The caller publishes the revocations, and removes the rows
 * of the deleted organizations. Returns null if the caller has to begin again (see `lockHeld`).
 */
export async function openAccount(
  deps: OpenAccountDeps,
  tx: SystemTx,
  asked: AccountToOpen,
): Promise<OpenedAccount | null> {
  const { registration, tokenHash, organization } = asked;
  const email = parseEmail(registration.email);
  if (!email) throw problem('invalid_or_expired_token');
  // The row of the user is locked before the registrations, as `endRegistrationsOf` says. It lets only one transaction
  // for the address pass at a time.
  const stored = await storeUser(deps, tx, email, asked);
  if (!stored) return null;
  const ended = await deleteRegistrationsOf(tx, email.key);
  const own = ended.find(({ id }) => id === registration.id);
  if (!own?.isLive || (tokenHash !== null && own.tokenHash !== tokenHash)) throw problem('invalid_or_expired_token');
  if (organization) {
    const toCreate = { organizationId: newId(deps.random, deps.clock), ownerId: stored.userId, actorId: stored.userId };
    await insertOrganization(deps, tx, { ...toCreate, ...organization });
  }
  return { ...stored, email };
}

async function storeUser(
  deps: OpenAccountDeps,
  tx: SystemTx,
  { address, key }: EmailAddress,
  { name, passwordHash, locale }: AccountToOpen,
): Promise<Omit<OpenedAccount, 'email'> | null> {
  const known = await findAccountByMailbox(tx, key);
  if (known) {
    if (!known.canBeTakenOver) throw problem('invalid_or_expired_token');
    const held = await lockHeld(tx, known.id);
    if (held === null) return null;
    const user = { id: known.id, email: address };
    const claimed = await claimUnproven(deps, tx, { user, held, name, passwordHash, locale });
    if (!claimed) throw problem('invalid_or_expired_token');
    return { userId: known.id, ...claimed };
  }
  const userId = newId(deps.random, deps.clock);
  const user = { id: userId, email: address, emailKey: key, name, passwordHash, locale };
  if (!(await insertUser(tx, user))) throw problem('invalid_or_expired_token');
  await recordOwn(deps, tx, userId, 'user.registered');
  await proveMailbox(deps, tx, { userId, actorId: userId });
  return { userId, revocations: [], deleted: [] };
}
