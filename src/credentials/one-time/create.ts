// Makes one-time tokens. The caller puts a token into a mail or an answer immediately, so only the hashes of tokens and
// codes are stored.
import type { SystemTx } from '../../base/database/db.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { CODE_SECONDS, PURPOSES, type Purpose } from './purposes.ts';
import { renewRevert } from './revert-store.ts';
import { insertOneTime, lockOwner } from './store.ts';
import { codeHash, newCode, newToken, tokenHash } from './text.ts';

export interface CreateDeps {
  readonly random: Random;
  readonly clock: Clock;
}

export interface CreateOneTime<For extends Purpose> {
  readonly userId: string;
  readonly purpose: For;
  /**
   * The address that the token is about: the one to prove, the new one of a change, or the former one to go back to.
   */
  readonly address: { readonly address: string; readonly key: string } | null;
  /** The time of the change that the mail is about; the current time by default. */
  readonly aboutAt?: Date;
  /** The session that asked for the mail. */
  readonly sessionId?: string;
}

export interface CreatedOneTime<For extends Purpose> {
  /** 256 random bits in base64url, for the link. */
  readonly token: string;
  readonly expiresAt: Date;
  /** Eight digits. Null for a purpose without codes. */
  readonly code: (typeof PURPOSES)[For]['hasCode'] extends true ? string : null;
  readonly codeExpiresAt: Date | null;
}

/**
 * Makes a token, and a code if the purpose has codes. All former tokens of the same user and purpose end; for
 * `revert_email` only those with the same address. For a mail, call this in `prepare` of the kind of mail, so that no
 * token waits in the outbox, and each attempt to send the mail replaces the token of the attempt before. Locks the row
 * of the user. Raises DataKeyMissing.
 */
export async function createOneTime<For extends Purpose>(
  { random, clock }: CreateDeps,
  tx: SystemTx,
  { userId, purpose, address, aboutAt, sessionId }: CreateOneTime<For>,
): Promise<CreatedOneTime<For>> {
  const { seconds, hasCode } = PURPOSES[purpose];
  const id = newId(random, clock);
  const token = newToken(random);
  const code = hasCode ? newCode(random) : null;
  await lockOwner(tx, userId);
  const times = await insertOneTime(tx, {
    ...{ id, userId, purpose, address, seconds },
    tokenHash: tokenHash(token) ?? '',
    codeHash: code === null ? null : codeHash(tx.personal, { purpose, userId, id, code }),
    aboutAt: aboutAt ?? null,
    sessionId: sessionId ?? null,
    codeSeconds: CODE_SECONDS,
  });
  return { token, code: code as CreatedOneTime<For>['code'], ...times };
}

/**
 * Keeps the address of a user, which a change is replacing, from anybody who has not proven the mailbox, until the mail
 * with the link that restores it is sent. For that, it makes a token that no mail has, and that the token of the mail
 * replaces. If an earlier mail has a link that restores the address, that link goes on working instead. The caller has
 * locked the row of the user. Raises DataKeyMissing.
 */
export async function keepRestorable(
  deps: CreateDeps,
  tx: SystemTx,
  { userId, address }: Pick<CreateOneTime<'revert_email'>, 'userId' | 'address'>,
): Promise<void> {
  const isRenewed = address && (await renewRevert(tx, userId, address.key, PURPOSES.revert_email.seconds));
  if (!isRenewed) await createOneTime(deps, tx, { userId, purpose: 'revert_email', address });
}
