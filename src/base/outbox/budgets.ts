// Limits how many mails of a kind an organization and an actor may cause, and how many an address gets. The counts
// include the mails that were requested in the last 24 hours, sent or not. The bounds belong to the features.
import type { Database, OrganizationTx } from '../database/db.ts';
import { findOrganizationWait, findWaitAnywhere, lockBudgets } from './budget-store.ts';

export interface RequestedMail {
  readonly kind: string;
  readonly organizationId: string;
  /** The address in its canonical form. */
  readonly recipientKey: string;
  readonly actorId: string;
}

/** The maximum number of mails in 24 hours. */
export interface MailBounds {
  /** Caused by one organization. */
  readonly organization: number;
  /** Caused by one organization, to one address. */
  readonly address: number;
  /** Caused by all organizations together, to one address. */
  readonly addressAnywhere: number;
  /** Caused by one actor in all organizations together. */
  readonly actor: number;
  /** Caused by one actor in all organizations together, to one address. */
  readonly actorToAddress: number;
}

/**
 * Returns the seconds until one more mail is within every bound; 0 when it is allowed now. Locks the address and the
 * actor until the end of the transaction. The counts across organizations do not show which organization caused a mail.
 */
export async function lockedMailWait(
  deps: { readonly db: Database },
  tx: OrganizationTx,
  { kind, organizationId, recipientKey, actorId }: RequestedMail,
  bounds: MailBounds,
): Promise<number> {
  await lockBudgets(tx, recipientKey, actorId);
  const own = await findOrganizationWait(tx, kind, organizationId, recipientKey, bounds);
  const { addressAnywhere, actor, actorToAddress } = bounds;
  const further = { address: addressAnywhere, actor, actorToAddress };
  const anywhere = await findWaitAnywhere(deps.db.systemReader(), kind, recipientKey, actorId, further);
  return Math.max(own ?? 0, anywhere ?? 0);
}
