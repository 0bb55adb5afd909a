// The claims of access and refresh tokens, and the checks of their shape. This file uses no key and no clock.

export const ACCESS_TOKEN_TYPE = 'at+jwt'; // RFC 9068 §2.1
export const REFRESH_TOKEN_TYPE = 'rt+jwt';
/** The client_id in the tokens of users who signed in at the service itself. */
export const FIRST_PARTY_CLIENT = 'tenantry';
/** The longest lifetime of an access token that any configuration allows, in seconds. */
export const ACCESS_TTL_MAX_SECONDS = 900;
/** If a user has more permissions than this, the token has `permissions_ref` instead of them. */
export const PERMISSIONS_IN_TOKEN_MAX = 200;

/**
 * The claims of a user's access token (RFC 9068 §2.2), with those about the organization. Instants are seconds since
 * 1970.
 */
export interface AccessClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly client_id: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  readonly auth_time: number;
  readonly amr: readonly string[];
  readonly sid: string;
  readonly epoch: number;
  /** The epoch of the membership in `org`. Tokens of the previous version do not have it. */
  readonly mep?: number;
  /** The epoch of the roles of `org`. Tokens of the previous version do not have it. */
  readonly rep?: number;
  readonly org?: string;
  readonly org_slug?: string;
  readonly roles?: readonly string[];
  readonly permissions?: readonly string[];
  readonly permissions_ref?: true;
}

/**
 * The claims of a service client's token (RFC 9068 §2.2: `sub` is the client_id). The token has no session and no
 * sign-in. A token without `org` belongs to a client of the whole installation.
 */
export interface ClientClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly client_id: string;
  readonly jti: string;
  readonly iat: number;
  readonly exp: number;
  readonly epoch: number;
  readonly org?: string;
  readonly org_slug?: string;
  readonly permissions: readonly string[];
}

export interface RefreshClaims {
  readonly iss: string;
  readonly aud: string;
  readonly sub: string;
  readonly sid: string;
  readonly jti: string;
  /** The jti of the token that this one replaced. The first token of a session has its own jti here. */
  readonly prt: string;
  readonly iat: number;
  readonly exp: number;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Whether a value is an id as claims have it: a UUID (RFC 9562) in lower case. */
export function isUuid(value: unknown): value is string {
  return typeof value === 'string' && UUID.test(value);
}

// An instant in seconds, or an epoch.
function isInstant(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string');
}

// Claims of user tokens only. A payload that has one of them is not that of a client's token.
const USERS_CLAIMS = ['sid', 'auth_time', 'amr', 'mep', 'rep', 'roles', 'permissions_ref'] as const;

/** Whether a payload has the shape of a service client's token. The caller checks the values. */
export function isClientClaims(payload: Record<string, unknown>): boolean {
  const common = isUuid(payload.sub) && payload.client_id === payload.sub;
  const counted = isInstant(payload.iat) && isInstant(payload.exp) && isInstant(payload.epoch);
  if (!common || !counted || typeof payload.jti !== 'string' || payload.jti === '') return false;
  if (USERS_CLAIMS.some((name) => payload[name] !== undefined) || !isStrings(payload.permissions)) return false;
  if (payload.org === undefined) return payload.org_slug === undefined;
  return isUuid(payload.org) && typeof payload.org_slug === 'string';
}

// Claims that a user's token has only together with `org`.
const ORGANIZATIONS_CLAIMS = ['org_slug', 'mep', 'rep', 'roles', 'permissions', 'permissions_ref'] as const;

/** Whether a payload has the shape of a user's access token. The caller checks the values. */
export function isAccessClaims(payload: Record<string, unknown>): boolean {
  if (payload.client_id === payload.sub) return false; // the token of a service client
  const common = isUuid(payload.sub) && isUuid(payload.sid) && typeof payload.jti === 'string' && payload.jti !== '';
  const instants = isInstant(payload.iat) && isInstant(payload.exp) && isInstant(payload.auth_time);
  const counted = isInstant(payload.epoch) && isStrings(payload.amr) && typeof payload.client_id === 'string';
  if (!common || !instants || !counted) return false;
  if (payload.org === undefined) {
    return ORGANIZATIONS_CLAIMS.every((name) => payload[name] === undefined);
  }
  if ([payload.mep, payload.rep].some((epoch) => epoch !== undefined && !isInstant(epoch))) return false;
  const held = payload.permissions_ref === true ? payload.permissions === undefined : isStrings(payload.permissions);
  return isUuid(payload.org) && typeof payload.org_slug === 'string' && isStrings(payload.roles) && held;
}

export function isRefreshClaims(payload: Record<string, unknown>): boolean {
  return (
    [payload.sub, payload.sid, payload.jti, payload.prt].every(isUuid) &&
    isInstant(payload.iat) &&
    isInstant(payload.exp)
  );
}
