// Revocation (RFC 7009): a user's token ends its session, a client's own ends all of that client's. What is unknown, or
// not the client's business, is answered as what was ended.

import type { Database } from '../../base/database/db.ts';
import type { PublishDeps } from '../../base/revoking/publish.ts';
import { type AccessTokenDeps, readAccessToken } from '../../credentials/tokens/access.ts';
import { type RefreshTokenDeps, verifyRefreshToken } from '../../credentials/tokens/refresh.ts';
import type { ClientClaims } from '../../protocol/claims.ts';
import { endSessionForClient } from '../../sign-in/sessions/end-session.ts';
import type { AuthenticatedClient } from '../client-authentication/authenticate.ts';
import { endTokens } from '../clients/end-tokens.ts';
import { type AdmitDeps, admitClient, type Presented } from './admit-client.ts';

export interface RevokeDeps extends AdmitDeps, PublishDeps, Omit<AccessTokenDeps, 'random'>, RefreshTokenDeps {
  readonly db: Database;
}

/**
 * Ends what a token stands for, be the token expired or not, as a logout does. A client of an organization ends nothing
 * of another: an access token names its organization, a refresh token that of its session. Raises what admitClient
 * raises, and DatabaseUnavailable, after which the token must be taken for a good one (RFC 7009 §2.2.1).
 */
export async function revokeToken(deps: RevokeDeps, presented: Presented, token: string): Promise<void> {
  const client = await admitClient(deps, presented);
  const organizationId = client.organization?.id ?? null;
  const access = await readAccessToken(deps, token);
  if (access && !('sid' in access)) return endOwnTokens(deps, client, access);
  if (access) {
    if (organizationId !== null && access.org !== organizationId) return;
    return endSessionForClient(deps, client.id, { userId: access.sub, sessionId: access.sid, actingFor: null });
  }
  const refresh = await verifyRefreshToken(deps, token);
  if (!refresh) return;
  const { sub: userId, sid: sessionId } = refresh.claims;
  await endSessionForClient(deps, client.id, { userId, sessionId, actingFor: organizationId });
}

async function endOwnTokens(deps: RevokeDeps, { id }: AuthenticatedClient, claims: ClientClaims): Promise<void> {
  const isOver = claims.exp <= deps.clock.now().getTime() / 1000;
  if (isOver || claims.sub !== id) return;
  await endTokens(deps, id, claims.epoch);
}
