// Makes users platform administrators, and withdraws that right. Only operators can do this.

import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { parseEmail } from '../../directory/users/email.ts';
import { assertSessionLive, type SessionOwner } from '../../directory/users/live-session.ts';
import { findCredentials } from '../../directory/users/store.ts';
import { deletePlatformAdministrator, insertPlatformAdministrator, lockPlatformAdministrator } from './store.ts';

export interface AdministratorDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/**
 * Makes the user with this e-mail a platform administrator. Returns false when the user already was one. Raises
 * not_found.
 */
export async function grantPlatformAdministrator(deps: AdministratorDeps, email: string): Promise<boolean> {
  const userId = await userOf(deps, email);
  return insertPlatformAdministrator(deps.db.systemReader(), userId, newId(deps.random, deps.clock));
}

/** Withdraws the right, from the next request on. Returns false when the user did not have it. Raises not_found. */
export async function revokePlatformAdministrator(deps: AdministratorDeps, email: string): Promise<boolean> {
  const userId = await userOf(deps, email);
  return deletePlatformAdministrator(deps.db.systemReader(), userId, newId(deps.random, deps.clock));
}

/** The id of the user with this e-mail. Raises not_found. */
export async function userOf(deps: { readonly db: Database }, email: string): Promise<string> {
  const address = parseEmail(email);
  const user = address && (await findCredentials(deps.db.systemReader(), address.key));
  if (!user) throw problem('not_found', { detail: 'There is no account with this e-mail.' });
  return user.id;
}

/**
 * Checks within the transaction of a change that the caller's session is live and that the caller is a platform
 * administrator. Both stay true until the transaction ends. Raises session_revoked, permission_denied.
 */
export async function assertAdministrator(tx: SystemTx, caller: SessionOwner): Promise<void> {
  await assertSessionLive(tx, caller);
  if (!(await lockPlatformAdministrator(tx, caller.id))) throw problem('permission_denied');
}
