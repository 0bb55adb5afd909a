// The state of an account after the proof of its address.
import type { CreatedOneTime } from '../../credentials/one-time/create.ts';

export interface Verified {
  /** Whether the address was proven before. */
  readonly isAgain: boolean;
  readonly isPasswordSet: boolean;
  /** Sets a password. Null unless the account is without one after this proof. */
  readonly reset: Pick<CreatedOneTime<'reset_password'>, 'token' | 'expiresAt'> | null;
}

export const AGAIN: Verified = { isAgain: true, isPasswordSet: true, reset: null };
export const PROVEN: Verified = { isAgain: false, isPasswordSet: true, reset: null };
