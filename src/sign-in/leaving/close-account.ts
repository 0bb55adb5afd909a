// Closes an account: for its user, for an operator, and for the service itself. One transaction removes the personal
// data, the sessions and the memberships. The row of the account stays, without personal data.
import type { Database, SystemTx } from '../../base/database/db.ts';
import { invalid, problem } from '../../base/errors/problem.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import type { CreateDeps } from '../../credentials/one-time/create.ts';
import { removeDeletedForRequest } from '../../directory/organizations/remove-deleted.ts';
import { lockOrganizations } from '../../directory/rights/store.ts';
import { lockAccount } from '../../directory/users/close-store.ts';
import { assertSessionLive, type SessionOwner } from '../../directory/users/live-session.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { beginAgain } from '../mailbox-proof/begin-again.ts';
import { type HeldOrganization, listHeld, listHeldIds } from './close-store.ts';
import { erase } from './erase.ts';

export interface ClosingDeps extends PublishDeps, CreateDeps {
  readonly db: Database;
  /** Makes the outbox send the mail at once. Left out where no outbox runs: the service finds the mail. */
  readonly nudgeOutbox?: () => void;
  /**
   * Ends the administration of the platform by the user. Returns false, and changes nothing, if no other active user
   * administers the platform and `evenLast` is false.
   */
  readonly endAdministration: (
    tx: SystemTx,
    userId: string,
    how: { readonly actorId: string | null; readonly evenLast: boolean },
  ) => Promise<boolean>;
}

export interface Closing {
  readonly userId: string;
  /** The session of a user who closes their own account; null for an operator and for the service itself. */
  readonly caller: SessionOwner | null;
  /** The ids of the organizations that are deleted with the account. */
  readonly deleteOrganizations: readonly string[] | 'all that can be';
  /** Called while the locks are held. When it returns false, nothing is changed. */
  readonly isStillWanted?: (tx: SystemTx) => Promise<boolean>;
}

export interface Closed {
  readonly email: string;
  readonly organizationsDeleted: readonly HeldOrganization[];
}

interface Done extends Closed {
  readonly revocations: readonly Revocation[];
}

/** The number of organizations that a refusal names. */
const NAMED_MAX = 100;

/**
 * Closes the account. Raises last_owner with the organizations that need another owner or may be deleted,
 * last_administrator (only for the user), validation_failed for an organization that is not to be deleted,
 * session_revoked, service_busy, and not_found when there is no such account. Returns null if the closing is no longer
 * wanted.
 */
export async function closeAccount(deps: ClosingDeps, input: Closing): Promise<Closed | null> {
  const closed = await publishing(
    deps,
    beginAgain(() => deps.db.system((tx) => closeIn(deps, tx, input))),
  );
  if (!('email' in closed)) return null;
  const { email, organizationsDeleted } = closed;
  deps.nudgeOutbox?.();
  await removeDeletedForRequest(
    deps,
    organizationsDeleted.map(({ id }) => id),
  );
  return { email, organizationsDeleted };
}

const UNWANTED = { revocations: [] as readonly Revocation[] };

// The organizations are locked before the user, as in every change of members. While the user is locked, nobody can add
// a membership. If a membership was added just before that, its organization is not locked, so the work begins again.
async function closeIn(deps: ClosingDeps, tx: SystemTx, input: Closing): Promise<Done | typeof UNWANTED | null> {
  const { userId, caller } = input;
  const locked = new Set(await listHeldIds(tx, userId));
  await lockOrganizations(tx, [...locked]);
  const account = await lockAccount(tx, userId);
  if (caller) await assertSessionLive(tx, caller); // a closed account has no live session
  if (!account) throw problem('not_found', { detail: 'There is no account with this e-mail or id.' });
  const held = await listHeld(tx, userId);
  if (held.some(({ id }) => !locked.has(id))) return null;
  if (input.isStillWanted && !(await input.isStillWanted(tx))) return UNWANTED;
  const deleted = judge(held, input);
  const actorId = caller?.id ?? null;
  const ended = await deps.endAdministration(tx, userId, { actorId, evenLast: caller === null });
  if (!ended) throw problem('last_administrator');
  const revocations = await erase(deps, tx, { account, actorId, held, deleted });
  return { email: account.email, organizationsDeleted: deleted, revocations };
}

/** Whether an organization whose last owner leaves can be deleted with the account. */
export function canBeDeletedBy(caller: SessionOwner | null) {
  // The platform decides what becomes of an organization that it has suspended, so its owner cannot delete it.
  return ({ hasOthers, status }: HeldOrganization) => !hasOthers && (caller === null || status === 'active');
}

/** Returns the organizations to delete. Raises validation_failed and last_owner. */
function judge(held: readonly HeldOrganization[], { caller, deleteOrganizations }: Closing): HeldOrganization[] {
  const canBeDeleted = canBeDeletedBy(caller);
  const alone = held.filter(({ isLastOwner }) => isLastOwner);
  if (deleteOrganizations !== 'all that can be') {
    const ids = new Set(alone.map(({ id }) => id));
    const wrong = deleteOrganizations.findIndex((named) => !ids.has(named));
    if (wrong >= 0) {
      throw invalid(`deleteOrganizations.${wrong}`, 'must be the id of an organization without another owner');
    }
  }
  const isNamed = ({ id }: HeldOrganization) =>
    deleteOrganizations === 'all that can be' || deleteOrganizations.includes(id);
  const left = alone.filter((one) => !(isNamed(one) && canBeDeleted(one)));
  if (left.length === 0) return alone;
  const named = left.slice(0, NAMED_MAX);
  const slugs = named.map(({ slug }) => slug).join(', ');
  throw problem('last_owner', {
    detail: `These organizations have no other owner: ${slugs}. Make another member an owner first, or name the organization in deleteOrganizations if it has no other active member and is not suspended.`,
    organizations: named.map((one) => ({
      ...{ id: one.id, name: one.name, slug: one.slug },
      canBeDeleted: canBeDeleted(one),
    })),
  });
}
