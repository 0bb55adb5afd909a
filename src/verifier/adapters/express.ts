// Middleware for Express 5 and 4, Connect and plain node:http (`tenantry/verifier/express`). The middleware uses only
// the request and response of node:http, which the request and response of Express extend.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { VerifiedPrincipal, Verifier } from '../core/contract.ts';
import { VerificationError } from '../core/error.ts';
import {
  admit,
  authorizationOf,
  dismiss,
  type PermissionCheck,
  permissionCheck,
  principalOf,
  requirePrincipal,
} from './admission.ts';
import { PROBLEM_TYPE, type Refusal, refusalOf } from './refusal.ts';

export { type PermissionCheck, permissionCheck, principalOf, requirePrincipal };

export type Next = (error?: unknown) => void;
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

export interface RefusalOptions {
  /**
   * `answer` (default): the middleware answers with problem details. `next`: the VerificationError goes to the error
   * handlers of the application. The headers WWW-Authenticate and Retry-After are already set.
   */
  readonly refusals?: 'answer' | 'next';
}

export interface AuthenticateOptions extends RefusalOptions {
  /** Accepts requests without an Authorization header. Their principal is null. A bad token is still refused. */
  readonly optional?: boolean;
}

/**
 * A middleware that verifies the token of a request. Read the result with `principalOf(request)` or
 * `request.principal`.
 */
export function authenticate(verifier: Verifier, options: AuthenticateOptions = {}): Middleware {
  return middleware(options, async (request) => {
    await authenticateRequest(verifier, request, options);
  });
}

/**
 * Verifies the token of a request without a middleware. Raises VerificationError, which `sendRefusal` answers. Returns
 * null only with `optional`.
 */
export async function authenticateRequest(
  verifier: Verifier,
  request: IncomingMessage,
  { optional = false }: { readonly optional?: boolean } = {},
): Promise<VerifiedPrincipal | null> {
  dismiss(request);
  show(request);
  const authorization = authorizationOf(request);
  if (optional && authorization === undefined) return null;
  const principal = await verifier.verifyHeader(authorization);
  admit(request, verifier, principal);
  return principal;
}

/**
 * A middleware for use after `authenticate`. It answers 403 to a principal without the permission. It answers 401 if
 * there is no principal, if the principal is no longer good, or if the principal comes from a verifier other than the
 * named one. Creating the middleware raises TypeError for anything but `resource:action`.
 */
export function requirePermission(permission: string, options?: RefusalOptions): Middleware;
export function requirePermission(verifier: Verifier, permission: string, options?: RefusalOptions): Middleware;
export function requirePermission(
  first: Verifier | string,
  second?: string | RefusalOptions,
  third: RefusalOptions = {},
): Middleware {
  const isNamed = typeof first === 'object' && first !== null;
  const check = permissionCheck((isNamed ? second : first) as string, isNamed ? first : undefined);
  return middleware(isNamed ? third : ((second ?? {}) as RefusalOptions), check);
}

/** Defines `request.principal`: the current result of principalOf. It cannot be assigned. */
function show(request: IncomingMessage): void {
  if (shown.has(request)) return;
  shown.add(request);
  Object.defineProperty(request, 'principal', {
    get(this: object): VerifiedPrincipal | null {
      return principalOf(request);
    },
    enumerable: false,
    configurable: false,
  });
}

const shown = new WeakSet<IncomingMessage>();

function middleware(options: RefusalOptions, check: (request: IncomingMessage) => Promise<void>): Middleware {
  return (request, response, next) => {
    // An error that next() raises is not a refusal, so the error handler below does not cover next().
    check(request).then(
      () => next(),
      (error: unknown) => {
        if (error instanceof VerificationError) refuse(response, error, options, next);
        else next(error);
      },
    );
  };
}

function refuse(response: ServerResponse, error: VerificationError, options: RefusalOptions, next: Next): void {
  if (response.headersSent) {
    if (!response.writableEnded) next(error);
  } else if (options.refusals === 'next') {
    setHeaders(response, refusalOf(error));
    next(error);
  } else sendRefusal(response, error);
}

/** Answers a refused request with problem details. */
export function sendRefusal(response: ServerResponse, error: VerificationError): void {
  const refusal = refusalOf(error);
  setHeaders(response, refusal);
  response.statusCode = refusal.status;
  response.setHeader('content-type', PROBLEM_TYPE);
  response.setHeader('content-length', Buffer.byteLength(refusal.body));
  response.end(refusal.body);
}

function setHeaders(response: ServerResponse, { headers }: Refusal): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}
