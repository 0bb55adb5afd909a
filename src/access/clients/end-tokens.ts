// The end of a service client's own tokens, at its own word; it may fetch others.
import type { Database } from '../../base/database/db.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { endClientTokens } from './epoch-store.ts';

export interface EndTokensDeps extends PublishDeps {
  readonly db: Database;
}

/** Ends a client's tokens of an epoch; nothing happens when they have been ended already. Raises DatabaseUnavailable. */
export async function endTokens(deps: EndTokensDeps, clientId: string, epoch: number): Promise<void> {
  await publishing(deps, endClientTokens(deps.db.systemReader(), clientId, epoch));
}
