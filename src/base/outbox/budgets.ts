// How many mails of a kind an organization and an actor may cause, and an address gets: counted by what the outbox was
// asked for in the last 24 hours, sent or not. What the bounds are belongs to the features.
import type { Database, OrganizationTx } from '../database/db.ts';
import { findOrganizationWait, findWaitAnywhere, lockBudgets } from './budget-store.ts';

export interface MailAsked {
  readonly kind: string;
  readonly organizationId: string;
  /** The address in its canonical form. */
  readonly recipientKey: string;
  readonly actorId: string;
}

/** Mails in 24 hours. */
export interface MailBounds {
  /** Of one organization. */
  readonly organization: number;
  /** Of one organization to one address. */
  readonly address: number;
  /** Of all organizations together to one address. */
  readonly addressAnywhere: number;
  /** Of one actor in all organizations. */
  readonly actor: number;
}

/**
 * Seconds until a further mail is within every bound; 0 when it is now. Holds locks on address and actor to the end of
 * the transaction; the counts across organizations are two numbers, and say nothing of them.
 */
export async function lockedMailWait(
  deps: { readonly db: Database },
  tx: OrganizationTx,
  { kind, organizationId, recipientKey, actorId }: MailAsked,
  bounds: MailBounds,
): Promise<number> {
  await lockBudgets(tx, recipientKey, actorId);
  const own = await findOrganizationWait(tx, kind, organizationId, recipientKey, bounds);
  const further = { address: bounds.addressAnywhere, actor: bounds.actor };
  const anywhere = await findWaitAnywhere(deps.db.systemReader(), kind, recipientKey, actorId, further);
  return Math.max(own ?? 0, anywhere ?? 0);
}
