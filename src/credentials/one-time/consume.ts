// Finds, uses and ends one-time tokens. A token that was used, has expired, was replaced by a newer one, or has another
// purpose is indistinguishable from one that never existed.
import type { SystemReader, SystemTx } from '../../base/database/db.ts';
import { NIL_ID } from '../../protocol/id.ts';
import type { Purpose } from './purposes.ts';
import { markLaterEnded } from './revert-store.ts';
import {
  findByHash,
  findCodedId,
  guessCode,
  lockOwner,
  lockOwnerOf,
  markEnded,
  markEndedBefore,
  markUsed,
  type OneTime,
  tryCode,
  writeToLog,
} from './store.ts';
import { codeHash, readCode, tokenHash } from './text.ts';

export type { OneTime } from './store.ts';

/** The live token of this purpose, which stays as it is; null for any other text. */
export async function findOneTime(tx: SystemReader, purpose: Purpose, token: string): Promise<OneTime | null> {
  const hash = tokenHash(token);
  return hash === null ? null : findByHash(tx, purpose, hash);
}

/**
 * Uses a token and returns it, or null if the text is not a live token of this purpose. Of several calls at the same
 * time, one gets the token, and the others get null. Using a token for `revert_email` also ends the user's
 * `revert_email` tokens about later changes, so that nobody can restore the later addresses. Locks the row of the user.
 * If the transaction is undone, the token is unused.
 */
export async function consumeToken(tx: SystemTx, purpose: Purpose, token: string): Promise<OneTime | null> {
  const hash = tokenHash(token);
  if (hash === null) return null;
  await lockOwnerOf(tx, hash);
  const used = await markUsed(tx, purpose, hash);
  if (used && purpose === 'revert_email') await markLaterEnded(tx, used.id);
  return used;
}

/**
 * Uses a token by its code. Returns null for a wrong code, and for every code after 5 wrong codes for the same token,
 * or after 20 wrong codes for the account on one day. The link goes on working. Wrong codes are counted in the
 * transaction: the caller must let it commit, and refuse the request afterwards. For an unknown account, the caller
 * passes an id that no user has, which takes as long. If the account was found by an e-mail that was typed, the caller
 * has called `lockGuesses`: otherwise simultaneous guesses would wait for each other only if the account exists. Locks
 * the row of the user. Raises DataKeyMissing.
 */
export async function consumeCode(
  tx: SystemTx,
  purpose: Purpose,
  userId: string,
  typed: string,
): Promise<OneTime | null> {
  return guess(tx, { purpose, userId, typed }, guessCode);
}

/**
 * Returns the token of a right code without using it, so that the caller can refuse the request, and the person can try
 * again with the same code. Everything else is as for `consumeCode`: wrong codes are counted, and the transaction must
 * commit.
 */
export async function checkCode(
  tx: SystemTx,
  purpose: Purpose,
  userId: string,
  typed: string,
): Promise<OneTime | null> {
  return guess(tx, { purpose, userId, typed }, tryCode);
}

interface Guess {
  readonly purpose: Purpose;
  readonly userId: string;
  readonly typed: string;
}

async function guess(tx: SystemTx, { purpose, userId, typed }: Guess, act: typeof guessCode): Promise<OneTime | null> {
  const code = readCode(typed);
  if (code === null) return null;
  await writeToLog(tx);
  await lockOwner(tx, userId);
  const id = (await findCodedId(tx, userId, purpose)) ?? NIL_ID;
  return act(tx, id, codeHash(tx.personal, { purpose, userId, id, code }));
}

/** Ends every token of the user for these purposes. Locks the row of the user. */
export async function endAll(tx: SystemTx, userId: string, purposes: readonly Purpose[]): Promise<void> {
  await lockOwner(tx, userId);
  await markEnded(tx, userId, purposes);
}

/** Ends every token of all users from before an instant, in ISO 8601 format or as the database writes it. */
export async function endAllBefore(tx: SystemTx, instant: string): Promise<void> {
  await markEndedBefore(tx, instant);
}
