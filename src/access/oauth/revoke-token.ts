// Revocation (RFC 7009). The revocation of a user's token ends the session of the token. The revocation of a client's
// own token ends all tokens of that client. An unknown token, and a token that the client must not revoke, get the same
// answer as a revoked token.

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
 * Ends the session to which the token of a user belongs, or, if the token belongs to the client itself, all tokens of
 * the client. The token of a user may be expired, as in a logout. An expired token of the client itself ends nothing. A
 * client of an organization ends only sessions that act for that organization now. An access token must also name that
 * organization, because the session may have acted for another organization before. Raises the errors of admitClient,
 * and DatabaseUnavailable. After DatabaseUnavailable, the caller must assume that the token is still valid (RFC 7009
 * §2.2.1).
 */
export async function revokeToken(deps: RevokeDeps, presented: Presented, token: string): Promise<void> {
  const client = await admitClient(deps, presented);
  const organizationId = client.organization?.id ?? null;
  const access = (await readAccessToken(deps, token))?.claims;
  if (access && !('sid' in access)) return endOwnTokens(deps, client, access);
  if (access) {
    if (organizationId !== null && access.org !== organizationId) return;
    const { sub: userId, sid: sessionId } = access;
    return endSessionForClient(deps, client.id, { userId, sessionId, actingFor: organizationId });
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
