// Decides which audience a service client may have. A service accepts a valid token that has its audience and a
// signature by a key of the installation. So an organization can choose only the default audience, or one from the list
// that the operator keeps (TOKEN_AUDIENCES). The same check runs when a client is created, when its audience is
// changed, and whenever a token is issued to it, because the list may have become shorter.
import { isReservedAudience } from '../../base/config/audience.ts';
import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type ClientAudience, listOwnAudiences } from './store.ts';

export interface AudiencePolicy {
  readonly issuer: string;
  /** The audience of users' tokens, and of every client without an audience of its own. */
  readonly audience: string;
  /** The audiences from which organizations may choose. */
  readonly audiences: readonly string[];
}

/**
 * Whether tokens with this audience may be issued to a client. Null stands for the default audience. With
 * `organizationId` null, the client belongs to the installation, and the operator chooses freely among unreserved
 * audiences.
 */
export function isAudienceAllowed(
  { issuer, audience: standard, audiences }: AudiencePolicy,
  { organizationId, audience }: { readonly organizationId: string | null; readonly audience: string | null },
): boolean {
  if (audience === null || audience === standard || audiences.includes(audience)) return true;
  return organizationId === null && !isReservedAudience(audience, issuer);
}

const RESERVED = 'must not be the issuer or have a *: name the service that verifies its tokens';
const NOT_LISTED = 'must be on the list of the operator (TOKEN_AUDIENCES), or null';

/** Raises audience_not_listed. */
export function assertAudience(
  policy: AudiencePolicy,
  client: { readonly organizationId: string | null; readonly audience: string | null },
): void {
  if (isAudienceAllowed(policy, client)) return;
  const message = client.organizationId === null ? RESERVED : NOT_LISTED;
  throw problem('audience_not_listed', { issues: [{ path: 'audience', message }] });
}

/** For operators: the clients that get no token at present, because their audience is not allowed. */
export async function listRefusedAudiences(
  deps: AudiencePolicy & { readonly db: Database },
): Promise<readonly ClientAudience[]> {
  const stored = await listOwnAudiences(deps.db.systemReader(), deps.audiences);
  return stored.filter((client) => !isAudienceAllowed(deps, client));
}
