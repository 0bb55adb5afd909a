// The queries of introspection. They check whether a token with a valid signature is still usable. Each query is one
// statement that changes nothing. It returns no row when the database does not have the session or the client at all.
import { type SystemReader, statement } from '../../base/database/db.ts';
import { isKeyRevokedSql } from '../../base/revoking/sql.ts';
import type { VerifiedRefreshToken } from '../../credentials/tokens/refresh.ts';

const LIVE_SESSION = `s.revoked_at IS NULL AND s.idle_expires_at > clock_timestamp() AND s.expires_at > clock_timestamp()`;

// A change that ends all older tokens of the user, such as a new password, raises the user's epoch. A change of any
// membership raises it too, but makes only the tokens for that organization stale. So the token is usable only if each
// epoch after that of the token belongs to the revocation of a membership. Revocations are kept longer than a token
// lives.
const ONLY_MEMBERSHIPS_CHANGED = `u.epoch - $3::int = (SELECT count(DISTINCT r.epoch) FROM revocations r
  WHERE r.kind = 'user' AND r.subject = u.id AND r.epoch > $3::int AND r.epoch <= u.epoch
    AND r.membership_organization_id IS NOT NULL)`;

// $4 organization, $7 epoch of the roles and $8 roles of the token.
const NO_ROLE_CHANGED = `NOT EXISTS (SELECT FROM revocations r
  WHERE r.kind = 'user' AND r.subject = $4 AND r.epoch > $7 AND r.role_name = ANY($8::text[]))`;

// All parameters are values of the token: $1 session, $2 user, $3 epoch, $4 organization or null, $5 epoch of the
// membership, $6 id of the signing key, $7 epoch of the roles, $8 roles. $5 and $7 are null for a token without an
// organization and for a token of the previous version.
const USER_TOKEN = statement(`
SELECT ${LIVE_SESSION} AND u.status = 'active' AND NOT ${isKeyRevokedSql('$6::text')}
  AND u.epoch >= $3::int AND (u.epoch = $3::int OR ${ONLY_MEMBERSHIPS_CHANGED})
  AND ($4::uuid IS NULL OR EXISTS (SELECT FROM memberships m JOIN organizations o ON o.id = m.organization_id
    WHERE m.organization_id = $4 AND m.user_id = u.id AND m.epoch <= coalesce($5::int, $3::int)
      AND ($7::int IS NULL OR $7 >= o.roles_epoch OR ${NO_ROLE_CHANGED})
      AND m.status = 'active' AND o.status = 'active')) AS live,
  u.epoch < $3::int
    OR EXISTS (SELECT FROM memberships m WHERE m.organization_id = $4 AND m.user_id = u.id AND m.epoch < $5::int)
    OR EXISTS (SELECT FROM organizations o WHERE o.id = $4 AND o.roles_epoch < $7) AS ahead
FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1::uuid AND s.user_id = $2::uuid`);

interface LiveState {
  /** Whether the token may be used now. */
  readonly live: boolean;
}

export interface TokenState extends LiveState {
  /** Whether an epoch of the token is higher than in the database. Then the database has lost changes. */
  readonly ahead: boolean;
}

export interface UserTokenClaims {
  readonly sid: string;
  readonly sub: string;
  readonly epoch: number;
  readonly org?: string;
  readonly mep?: number;
  readonly rep?: number;
  readonly roles?: readonly string[];
}

/**
 * A token is live if its session is live, its key is not revoked, the user, the membership and the organization are
 * active, and no change since the token was issued has ended the tokens of the user, of the membership, or of a role of
 * the token that many members have. Returns null for an unknown session.
 */
export async function findUserTokenState(
  tx: SystemReader,
  claims: UserTokenClaims,
  kid: string,
): Promise<TokenState | null> {
  const { sid, sub, epoch, org, mep, rep, roles } = claims;
  const values = [sid, sub, epoch, org ?? null, mep ?? null, kid, rep ?? null, roles ?? []];
  const [row] = await tx.rows<TokenState>(USER_TOKEN, values);
  return row ?? null;
}

// $1 client, $2 epoch, $3 organization or null, $4 id of the signing key. All of them are values of the token.
const CLIENT_TOKEN = statement(`
SELECT c.status = 'active' AND c.epoch = $2::int AND c.organization_id IS NOT DISTINCT FROM $3::uuid
  AND (c.organization_id IS NULL OR o.status = 'active') AND NOT ${isKeyRevokedSql('$4::text')} AS live,
  c.epoch < $2::int AS ahead
FROM clients c LEFT JOIN organizations o ON o.id = c.organization_id WHERE c.id = $1::uuid`);

export interface ClientTokenClaims {
  readonly sub: string;
  readonly epoch: number;
  readonly org?: string;
}

/**
 * A token is live if the client and its organization are active, the epoch of the client is the epoch of the token, and
 * the key of the token is not revoked. Returns null for an unknown client.
 */
export async function findClientTokenState(
  tx: SystemReader,
  { sub, epoch, org }: ClientTokenClaims,
  kid: string,
): Promise<TokenState | null> {
  const [row] = await tx.rows<TokenState>(CLIENT_TOKEN, [sub, epoch, org ?? null, kid]);
  return row ?? null;
}

// These are the tokens that the rotation (sign-in/sessions/rotation-store.ts) accepts: the newest confirmed token, a
// child of that token, and, during the grace time, the token before it.
// $1 session, $2 user, $3 jti of the token, $4 jti of its parent, $5 grace time in seconds, $6 id of the signing key.
const REFRESH_TOKEN = statement(`
SELECT o.id::text AS "organizationId", o.slug AS "organizationSlug", s.created_at AS "openedAt",
  ${LIVE_SESSION} AND u.status = 'active' AND NOT ${isKeyRevokedSql('$6::text')}
  AND (s.confirmed IN ($3::uuid, $4::uuid)
    OR (s.previous IS NOT DISTINCT FROM $3 AND s.confirmed_at > clock_timestamp() - $5::float8 * interval '1 second'))
  AND (o.id IS NULL OR (o.status = 'active' AND EXISTS (SELECT FROM memberships m
    WHERE m.organization_id = s.organization_id AND m.user_id = s.user_id AND m.status = 'active'))) AS live
FROM sessions s JOIN users u ON u.id = s.user_id
LEFT JOIN organizations o ON o.id = s.organization_id AND o.deleted_at IS NULL
WHERE s.id = $1::uuid AND s.user_id = $2::uuid`);

export interface RefreshTokenState extends LiveState {
  readonly organizationId: string | null;
  readonly organizationSlug: string | null;
  readonly openedAt: Date;
}

/**
 * Whether a refresh token may be used now, with the organization and the beginning of its session. Null for an unknown
 * session.
 */
export async function findRefreshTokenState(
  tx: SystemReader,
  { claims, kid }: Pick<VerifiedRefreshToken, 'claims' | 'kid'>,
  graceSeconds: number,
): Promise<RefreshTokenState | null> {
  const { sid, sub, jti, prt } = claims;
  const [row] = await tx.rows<RefreshTokenState>(REFRESH_TOKEN, [sid, sub, jti, prt, graceSeconds, kid]);
  return row ?? null;
}
