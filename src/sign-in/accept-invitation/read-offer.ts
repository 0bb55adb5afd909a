// What an invitation says to a person who holds its token, and what this person has to do before accepting.
import type { Database } from '../../base/database/db.ts';
import { getOffer, type Offer } from '../../directory/invitations/redeem.ts';
import { getProfile } from '../../directory/profile/profile.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { findAccountByMailbox } from '../../directory/users/mailbox-store.ts';
import type { Caller } from '../../protocol/caller.ts';

/**
 * `accept`: the person is signed in with the e-mail of the invitation. `switch`: signed in with another one. `sign_in`:
 * there is an account. `register`: there is none, or one whose mailbox nobody has proven.
 */
export type NextStep =
  | { readonly step: 'accept' | 'sign_in' | 'register' }
  | { readonly step: 'switch'; readonly ownEmail: string };

/**
 * Returns the invitation of a token and the next step. Changes nothing. The token proves the mailbox, so its holder may
 * know whether this mailbox has an account. Raises invitation_invalid and session_revoked.
 */
export async function readOffer(
  deps: { readonly db: Database },
  caller: Caller | null,
  token: string,
): Promise<{ readonly offer: Offer; readonly next: NextStep }> {
  const reader = deps.db.systemReader();
  const offer = await getOffer(reader, token);
  if (caller) {
    const { email: ownEmail } = await getProfile(deps, caller);
    const isInvited = parseEmail(ownEmail)?.key === offer.emailKey;
    return { offer, next: isInvited ? { step: 'accept' } : { step: 'switch', ownEmail } };
  }
  const account = await findAccountByMailbox(reader, offer.emailKey);
  return { offer, next: { step: account && !account.canBeTakenOver ? 'sign_in' : 'register' } };
}
