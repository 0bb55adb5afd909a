// Ends the tokens of a service client when the client itself revokes one of them. The client can request new tokens.
import type { Database } from '../../base/database/db.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { endClientTokens } from './epoch-store.ts';

export interface EndTokensDeps extends PublishDeps {
  readonly db: Database;
}

/**
 * Ends the tokens of a client with this epoch. Does nothing if the client has a later epoch. Raises
 * DatabaseUnavailable.
 */
export async function endTokens(deps: EndTokensDeps, clientId: string, epoch: number): Promise<void> {
  await publishing(deps, endClientTokens(deps.db.systemReader(), clientId, epoch));
}
