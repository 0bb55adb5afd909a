// The end of a service client's own tokens, at its own word; it may fetch others.
import type { Database } from '../../base/database/db.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { endClientTokens } from './epoch-store.ts';

export interface EndTokensDeps {
  readonly db: Database;
  readonly revocations: Pick<Revocations, 'publish'>;
}

/** Ends a client's tokens of an epoch; nothing happens when they have been ended already. Raises DatabaseUnavailable. */
export async function endTokens(deps: EndTokensDeps, clientId: string, epoch: number): Promise<void> {
  for (const ended of await endClientTokens(deps.db.systemReader(), clientId, epoch)) deps.revocations.publish(ended);
}
