// The signed-in user's own profile.
import { problem } from '../errors.ts';
import type { Database } from '../platform/db.ts';
import type { Caller } from '../protocol/caller.ts';
import { findProfile, updateName } from './store.ts';

export interface ProfileDeps {
  readonly db: Database;
}

/** Who the caller is and may do in the organization of the token, read from the database. Raises session_revoked when the account is gone. */
export async function getProfile(deps: ProfileDeps, caller: Caller) {
  const row = await findProfile(deps.db.userReader(caller.id), caller.id, caller.organizationId);
  if (!row) throw problem('session_revoked');
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    emailVerified: row.emailVerified,
    createdAt: row.createdAt.toISOString(),
    sessionId: caller.sessionId,
    organization: row.organization,
    roles: row.roles,
    permissions: [...row.permissions].sort(),
  };
}

/** Changes the caller's own name. */
export async function rename(deps: ProfileDeps, caller: Caller, input: { readonly name: string }) {
  await updateName(deps.db.userReader(caller.id), caller.id, input.name);
  return getProfile(deps, caller);
}
