// The headers with which a proxy tells the service behind it who sent a request. The proxy always sets all of them,
// with '' for an absent value, so that no header of the client remains.
import type { Principal } from './caller.ts';

export const IDENTITY_HEADERS = [
  'x-user-id',
  'x-client-id',
  'x-organization-id',
  'x-roles',
  'x-permissions',
  'x-permissions-elsewhere',
  'x-session-id',
] as const;
export type IdentityHeader = (typeof IDENTITY_HEADERS)[number];

/**
 * All identity headers of a principal. The entries of a list are separated by commas. The names of roles are
 * percent-encoded (RFC 3986), because they may contain any letter. `x-permissions-elsewhere` is `true` if only the
 * check endpoint knows the permissions.
 */
export function identityHeaders(principal: Principal): Record<IdentityHeader, string> {
  const user = principal.kind === 'user' ? principal : null;
  return {
    'x-user-id': user?.id ?? '',
    'x-client-id': user ? '' : principal.id,
    'x-organization-id': principal.organizationId ?? '',
    'x-roles': user?.roles.map(encodeURIComponent).join(',') ?? '',
    'x-permissions': principal.permissions.join(','),
    'x-permissions-elsewhere': user?.permissionsElsewhere ? 'true' : '',
    'x-session-id': user?.sessionId ?? '',
  };
}

/**
 * Whether a receiver may read the header as an identity header. Some receivers (CGI, WSGI, PHP) read `_` and `.` as
 * `-`, so that a client's `X_User_ID` or `X.User.ID` would count as `X-User-ID`. Use this function to find the headers
 * that must be removed.
 */
export function isIdentityHeader(name: string): boolean {
  return isAnyHeader(IDENTITY_HEADERS, name);
}

/** Whether a receiver may read the name as one of these headers, which are in lower case with `-`. */
export function isAnyHeader(headers: readonly string[], name: string): boolean {
  return headers.includes(name.toLowerCase().replace(/[^a-z0-9]/g, '-'));
}
