// Deletes the service clients of a user whose account is claimed by the owner of its address.
import type { SystemTx } from '../../base/database/db.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { raiseAnyClientEpoch } from './epoch-store.ts';
import { deleteClient, listClientsMadeBy } from './store.ts';

/** Deletes the clients that the user has made, and ends their tokens. Returns the revocations to publish. */
export async function removeClientsOf(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: SystemTx,
  userId: string,
): Promise<Revocation[]> {
  const revocations: Revocation[] = [];
  for (const { id, organizationId, name, permissions } of await listClientsMadeBy(tx, userId)) {
    revocations.push(...(await raiseAnyClientEpoch(tx, organizationId, id)));
    await deleteClient(tx, organizationId, id);
    const event = { type: 'client.deleted', organizationId, actorId: userId, targetId: id } as const;
    await record(tx, { id: newId(deps.random, deps.clock), ...event, data: { name, permissions } });
  }
  return revocations;
}
