// Closes an account for an operator, without its user. sign-in/leaving decides what is removed with an account.
import { type Closed, type ClosingDeps, closeAccount } from '../../sign-in/leaving/close-account.ts';
import { endAdministration } from '../administrators/store.ts';

export type OperatorClosingDeps = Omit<ClosingDeps, 'endAdministration'>;

/**
 * Closes the account for an operator, even that of the last administrator of the platform. Raises not_found, last_owner
 * and validation_failed.
 */
export async function closeForOperator(
  deps: OperatorClosingDeps,
  userId: string,
  deleteOrganizations: readonly string[],
): Promise<Closed | null> {
  return closeAccount({ ...deps, endAdministration }, { userId, caller: null, deleteOrganizations });
}
