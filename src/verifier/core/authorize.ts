// Decides whether a principal has a permission. If the token does not contain the permissions, the service is asked.
import { membersOf } from '../service/answered.ts';
import { exchange, type HttpDeps } from '../service/http.ts';
import type { VerifiedPrincipal } from './contract.ts';
import { VerificationError } from './error.ts';
import { isElsewhere, refusal, tokenOf } from './principal.ts';

export interface AuthorizeDeps extends HttpDeps {
  readonly checkEndpoint: string;
}

const TIMEOUT_MILLISECONDS = 2000;
const BYTES_MAX = 65_536;
// The codes with which the service refuses a token.
const TOKEN_CODES = [
  'invalid_token',
  'token_expired',
  'token_stale',
  'session_revoked',
  'organization_suspended',
] as const;

/** Returns the function `authorize` of a Verifier. */
export function createAuthorize(deps: AuthorizeDeps) {
  return async function authorize(principal: VerifiedPrincipal, permission: string): Promise<void> {
    if (principal.has(permission)) return;
    if (!isElsewhere(principal)) throw refusal(principal, permission);
    const token = tokenOf(principal);
    if (token === undefined) throw new TypeError('authorize() takes the very principal that verify() returned');
    if (!(await isAllowed(deps, token, permission))) throw new VerificationError('permission_denied', { permission });
  };
}

async function isAllowed(deps: AuthorizeDeps, token: string, permission: string): Promise<boolean> {
  const [resource, action] = permission.split(':');
  // The endpoint answers for one permission at a time.
  if (permission.includes('*')) throw new TypeError(`Ask for one permission, such as deals:write, not ${permission}`);
  const answer = await exchange(deps, {
    url: deps.checkEndpoint,
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify({ resource, action }),
    timeoutMilliseconds: TIMEOUT_MILLISECONDS,
    bytesMax: BYTES_MAX,
  }).catch((cause: unknown) => {
    throw new VerificationError('check_unavailable', { cause });
  });
  if (answer.status === 401) {
    const code = TOKEN_CODES.find((known) => known === membersOf(answer.text).code);
    throw new VerificationError(code ?? 'invalid_token');
  }
  const allowed = answer.status === 200 ? allowedOf(answer.text) : undefined;
  if (allowed === undefined) {
    throw new VerificationError('check_unavailable', {
      cause: new Error(`The check endpoint answered ${answer.status}`),
    });
  }
  return allowed;
}

function allowedOf(text: string): boolean | undefined {
  const { allowed } = (membersOf(text).data ?? {}) as { allowed?: unknown };
  return typeof allowed === 'boolean' ? allowed : undefined;
}
