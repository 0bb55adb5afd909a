// A signed-in user founds a further organization and becomes its owner.
import { problem } from '../errors.ts';
import type { Database } from '../platform/db.ts';
import { newId } from '../platform/random.ts';
import type { Caller } from '../protocol/caller.ts';
import { chooseSlug, type Founded, type FoundingDeps, foundOrganization } from './found-organization.ts';

/** The new organization with its trial. The caller's token goes on acting for its own organization. Raises slug_taken. */
export async function createOrganization(
  deps: FoundingDeps & { readonly db: Database },
  caller: Caller,
  input: { readonly name: string; readonly slug: string | null },
): Promise<Founded> {
  const organizationId = newId(deps.random, deps.clock);
  const slug = await chooseSlug(deps, input.name, input.slug);
  const founded = await deps.db.organization({ organizationId, userId: caller.id }, (tx) =>
    foundOrganization(deps, tx, { organizationId, ownerId: caller.id, name: input.name, slug }),
  );
  if (!founded) throw problem('slug_taken');
  return founded;
}
