// The queries of introspection. They check whether a token with a valid signature is still usable. Each query is one
// statement that changes nothing.
import { type SystemReader, statement } from '../../base/database/db.ts';

const LIVE_SESSION = `s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp() AND s.expires_at > clock_timestamp()`;

// A change of the user raises the user's epoch, and makes older tokens stale. A change of any membership raises it too,
// but makes only the tokens for that organization stale. So the token is usable only if each epoch after the token's
// has the revocation of a membership. Revocations are kept longer than a token lives.
const ONLY_MEMBERSHIPS_CHANGED = `u.epoch - $3::int = (SELECT count(DISTINCT r.epoch) FROM revocations r
  WHERE r.kind = 'user' AND r.subject = u.id AND r.epoch > $3::int AND r.epoch <= u.epoch
    AND r.membership_organization_id IS NOT NULL)`;

// $1 session, $2 user, $3 epoch, $4 organization or null, $5 epoch of the membership; a token of the previous version
// has only the epoch. All of them are values of the token.
const USER_TOKEN = statement(`
SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = $1::uuid AND s.user_id = $2::uuid AND ${LIVE_SESSION} AND u.status = 'active'
  AND u.epoch >= $3::int AND (u.epoch = $3::int OR ${ONLY_MEMBERSHIPS_CHANGED})
  AND ($4::uuid IS NULL OR EXISTS (SELECT FROM memberships m JOIN organizations o ON o.id = m.organization_id
    WHERE m.organization_id = $4 AND m.user_id = u.id AND m.epoch <= coalesce($5::int, $3::int)
      AND m.status = 'active' AND o.status = 'active'))`);

export interface UserTokenClaims {
  readonly sid: string;
  readonly sub: string;
  readonly epoch: number;
  readonly org?: string;
  readonly mep?: number;
}

/**
 * Whether the session is live, the user, the membership and the organization are active, and neither the user nor the
 * membership has changed since the token was issued.
 */
export async function isUserTokenLive(tx: SystemReader, claims: UserTokenClaims): Promise<boolean> {
  const { sid, sub, epoch, org, mep } = claims;
  return (await tx.rows(USER_TOKEN, [sid, sub, epoch, org ?? null, mep ?? null])).length > 0;
}

const CLIENT_TOKEN = statement(`
SELECT 1 FROM clients c LEFT JOIN organizations o ON o.id = c.organization_id
WHERE c.id = $1::uuid AND c.status = 'active' AND c.epoch = $2::int
  AND c.organization_id IS NOT DISTINCT FROM $3::uuid AND (c.organization_id IS NULL OR o.status = 'active')`);

export interface ClientTokenClaims {
  readonly sub: string;
  readonly epoch: number;
  readonly org?: string;
}

/** Whether the client is active and the epoch of the client is the epoch of the token. */
export async function isClientTokenLive(tx: SystemReader, { sub, epoch, org }: ClientTokenClaims): Promise<boolean> {
  return (await tx.rows(CLIENT_TOKEN, [sub, epoch, org ?? null])).length > 0;
}

// These are the tokens that the rotation (sign-in/sessions/rotation-store.ts) accepts: the newest confirmed token, a
// child of that token, and, during the grace time, the token before it.
// $1 session, $2 user, $3 jti, $4 parent, $5 seconds of grace.
const REFRESH_TOKEN = statement(`
SELECT o.id::text AS "organizationId", o.slug AS "organizationSlug", s.created_at AS "openedAt"
FROM sessions s JOIN users u ON u.id = s.user_id
LEFT JOIN organizations o ON o.id = s.organization_id AND o.deleted_at IS NULL
WHERE s.id = $1::uuid AND s.user_id = $2::uuid AND ${LIVE_SESSION} AND u.status = 'active'
  AND (s.confirmed IN ($3::uuid, $4::uuid)
    OR (s.previous = $3 AND s.confirmed_at > clock_timestamp() - $5::float8 * interval '1 second'))
  AND (o.id IS NULL OR (o.status = 'active' AND EXISTS (SELECT FROM memberships m
    WHERE m.organization_id = s.organization_id AND m.user_id = s.user_id AND m.status = 'active')))`);

export interface RefreshTokenLinks {
  readonly sid: string;
  readonly sub: string;
  readonly jti: string;
  readonly prt: string;
}

export interface UsableRefreshToken {
  readonly organizationId: string | null;
  readonly organizationSlug: string | null;
  readonly openedAt: Date;
}

/**
 * The organization and the beginning of a refresh token's session, or null when the token cannot be used now. Changes
 * nothing.
 */
export async function findUsableRefreshToken(
  tx: SystemReader,
  { sid, sub, jti, prt }: RefreshTokenLinks,
  graceSeconds: number,
): Promise<UsableRefreshToken | null> {
  const [row] = await tx.rows<UsableRefreshToken>(REFRESH_TOKEN, [sid, sub, jti, prt, graceSeconds]);
  return row ?? null;
}
