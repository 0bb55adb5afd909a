// What an operation does when its request has an Idempotency-Key. The answer is written in the transaction of the
// change, so a crash at any moment leaves both the change and the answer, or neither.
import type { OrganizationTx, SystemTx } from '../database/db.ts';

/** The part of a request with an Idempotency-Key that its operation sees. */
export interface Once {
  /**
   * Whether the answer is kept. If it is, everything that the answer contains must be known before the transaction
   * ends.
   */
  readonly isKept: boolean;
  /**
   * The first step of the transaction. Raises idempotency_key_in_use when another request with the key is running now.
   */
  begin(tx: OrganizationTx | SystemTx): Promise<void>;
  /** The last step of the transaction. Keeps the result of the operation, and returns it. */
  keep<Result>(tx: OrganizationTx | SystemTx, result: Result): Promise<Result>;
}

/** For requests without a key, and for operators. */
export const WITHOUT_KEY: Once = {
  isKept: false,
  begin: async () => undefined,
  keep: async (_, result) => result,
};
