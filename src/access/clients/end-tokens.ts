// Ends a service client's tokens when the client itself revokes them. It can request new ones.
import type { Database } from '../../base/database/db.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { endClientTokens } from './epoch-store.ts';

export interface EndTokensDeps extends PublishDeps {
  readonly db: Database;
}

/** Ends a client's tokens of an epoch. Does nothing if the client has a later epoch. Raises DatabaseUnavailable. */
export async function endTokens(deps: EndTokensDeps, clientId: string, epoch: number): Promise<void> {
  await publishing(deps, endClientTokens(deps.db.systemReader(), clientId, epoch));
}
