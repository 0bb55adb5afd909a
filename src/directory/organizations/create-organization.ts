// A signed-in user creates an organization and becomes its owner. insert-organization.ts writes the rows.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import { newId } from '../../base/platform/random.ts';
import type { Caller } from '../../protocol/caller.ts';
import { lockAndCountOwned } from '../rights/store.ts';
import { assertSessionLive } from '../users/live-session.ts';
import {
  type CreatedOrganization,
  chooseSlug,
  type InsertOrganizationDeps,
  insertOrganization,
} from './insert-organization.ts';

export interface CreateOrganizationDeps extends InsertOrganizationDeps {
  readonly db: Database;
  /** How many organizations one user may own. A user who owns this many cannot create another organization. */
  readonly organizationsPerUserMax: number;
}

/**
 * Returns the new organization with its trial. The caller's token continues to act for the organization that it named
 * before. Raises session_revoked, slug_taken, organization_limit.
 */
export async function createOrganization(
  deps: CreateOrganizationDeps,
  caller: Caller,
  input: { readonly name: string; readonly slug: string | null },
  once: Once = WITHOUT_KEY,
): Promise<CreatedOrganization> {
  const organizationId = newId(deps.random, deps.clock);
  const slug = await chooseSlug(deps, input.name, input.slug);
  const toCreate = { organizationId, ownerId: caller.id, actorId: caller.id, name: input.name, slug };
  // This transaction uses the system scope, because the owner's other organizations are counted.
  const created = await deps.db.system(async (tx) => {
    await once.begin(tx);
    await assertSessionLive(tx, caller);
    if ((await lockAndCountOwned(tx, caller.id)) >= deps.organizationsPerUserMax) throw problem('organization_limit');
    const written = await insertOrganization(deps, tx, toCreate);
    return written && once.keep(tx, written);
  });
  if (!created) throw problem('slug_taken');
  return created;
}
