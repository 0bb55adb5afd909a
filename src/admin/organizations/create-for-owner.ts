// An operator creates an organization for a user who already has an account.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { newId } from '../../base/platform/random.ts';
import {
  type CreatedOrganization,
  chooseSlug,
  type InsertOrganizationDeps,
  insertOrganization,
} from '../../directory/organizations/insert-organization.ts';
import { getAccount } from '../../directory/users/accounts.ts';

export interface OrganizationForOwner {
  readonly ownerEmail: string;
  readonly name: string;
  /** The requested slug. With null, the slug is made from the name. */
  readonly slug: string | null;
}

const DISABLED_OWNER = 'The account that would be the owner is disabled: enable it first, or name another one.';

/**
 * Returns the new organization with its trial. The user with this e-mail owns it. Raises not_found, account_disabled,
 * slug_taken.
 */
export async function createOrganizationForOwner(
  deps: InsertOrganizationDeps & { readonly db: Database },
  input: OrganizationForOwner,
): Promise<CreatedOrganization> {
  const { id: ownerId, status } = await getAccount(deps, input.ownerEmail);
  if (status === 'disabled') throw problem('account_disabled', { detail: DISABLED_OWNER });
  const organizationId = newId(deps.random, deps.clock);
  const slug = await chooseSlug(deps, input.name, input.slug);
  const toCreate = { organizationId, ownerId, actorId: null, name: input.name, slug };
  const created = await deps.db.system((tx) => insertOrganization(deps, tx, toCreate));
  if (!created) throw problem('slug_taken');
  return created;
}
