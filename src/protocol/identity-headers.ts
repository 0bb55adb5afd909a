// The headers in which a proxy tells a service behind it whom a request is from. Who sets one sets all of them, with ''
// where there is nothing to say, so that none that a client sent survives.
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
 * All identity headers of a principal. Lists are separated by commas; the names of roles are percent-encoded (RFC 3986),
 * because they may hold any letter. `x-permissions-elsewhere` is `true` when only the check endpoint knows the permissions.
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
 * Whether a receiver may read the header as one of these: some (CGI, WSGI, PHP) take `_` and `.` for `-`, so that a
 * client's `X_User_ID` or `X.User.ID` would pass for `X-User-ID` there. Use it to find what must be removed.
 */
export function isIdentityHeader(name: string): boolean {
  return (IDENTITY_HEADERS as readonly string[]).includes(name.toLowerCase().replace(/[^a-z0-9]/g, '-'));
}
