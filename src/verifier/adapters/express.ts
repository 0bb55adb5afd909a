// Middleware for Express 5 and 4, Connect and bare node:http (`tenantry/verifier/express`). It knows node:http's request and
// response only, which Express' own are.
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
   * handlers of the application; its headers (WWW-Authenticate, Retry-After) are set already.
   */
  readonly refusals?: 'answer' | 'next';
}

export interface AuthenticateOptions extends RefusalOptions {
  /** Lets requests without an Authorization header pass, with the principal null. A bad token is refused all the same. */
  readonly optional?: boolean;
}

/** A middleware that finds out whom a request is from: `principalOf(request)`, and `request.principal` to read. */
export function authenticate(verifier: Verifier, options: AuthenticateOptions = {}): Middleware {
  return middleware(options, async (request) => {
    await authenticateRequest(verifier, request, options);
  });
}

/** The same without a middleware. Raises VerificationError: sendRefusal answers it. Null only with `optional`. */
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
 * For after `authenticate`: refuses whoever lacks the permission with 403 permission_denied, and 401 where nobody was
 * authenticated, or not by the verifier that is named. Raises TypeError, when it is made, for what is no `resource:action`.
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

/** `request.principal`: what principalOf says at that moment. It cannot be assigned. */
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
    // What next() itself raises is not a refusal: it is called outside of what is caught.
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
