// The signed-in user's own profile.

import type { Database, UserReader } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import type { Language } from '../../base/page-kit/language.ts';
import type { Caller } from '../../protocol/caller.ts';
import { canonicalPermissions } from '../../protocol/permission.ts';
import { assertSessionLive } from '../users/live-session.ts';
import { findProfile, listOwnPermissions, lockUser, updateLocale, updateName } from '../users/store.ts';

export interface ProfileDeps {
  readonly db: Database;
}

/**
 * Returns the caller's account, read from the database, and what the caller's token allows. Roles are read from the
 * token, because the guard has already refused a stale token. So are permissions, unless the token leaves them out
 * (permissions_ref). In that case, they are read from the database. Raises session_revoked when the account no longer
 * exists.
 */
export function getProfile(deps: ProfileDeps, caller: Caller) {
  return getProfileIn(deps.db.userReader(caller.id), caller);
}

async function getProfileIn(reader: UserReader, caller: Caller) {
  const row = await findProfile(reader, caller.id, caller.organizationId);
  if (!row) throw problem('session_revoked');
  const organization =
    row.organizationId === null
      ? null
      : { id: row.organizationId, name: row.organizationName, slug: row.organizationSlug };
  const permissions =
    caller.permissionsElsewhere && organization
      ? canonicalPermissions(await listOwnPermissions(reader, caller.id, organization.id))
      : caller.permissions;
  return {
    id: row.id,
    email: row.email,
    name: row.name,
    emailVerified: row.emailVerified,
    locale: row.locale,
    createdAt: row.createdAt.toISOString(),
    sessionId: caller.sessionId,
    organization,
    roles: organization ? caller.roles : [],
    permissions: organization ? permissions : [],
  };
}

/** What a person may change. A field that is left out stays as it is. */
export interface ProfileChange {
  readonly name?: string | undefined;
  /** The language of mails; null for the default of the service. */
  readonly locale?: Language | null | undefined;
}

/** Changes the name and the language of the caller. Raises session_revoked and precondition_failed. */
export function changeProfile(
  deps: ProfileDeps,
  caller: Caller,
  { name, locale }: ProfileChange,
  assertVersion: AssertVersion<Awaited<ReturnType<typeof getProfile>>> = anyVersion,
) {
  return deps.db.user(caller.id, async (tx) => {
    await assertSessionLive(tx, caller);
    await lockUser(tx, caller.id);
    await assertVersion(() => getProfileIn(tx, caller));
    if (name !== undefined) await updateName(tx, caller.id, name);
    if (locale !== undefined) await updateLocale(tx, caller.id, locale);
    return getProfileIn(tx, caller);
  });
}
