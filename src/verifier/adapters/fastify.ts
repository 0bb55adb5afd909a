// The plugin for Fastify 5 (`tenantry/verifier/fastify`): `request.principal`, and hooks for routes. This file imports
// nothing from Fastify, not even types. It declares the parts of Fastify that it uses, so that the plugin depends on no
// particular 5.x version of Fastify.

import type { Verifier } from '../core/contract.ts';
import { VerificationError } from '../core/error.ts';
import {
  admit,
  authorizationOf,
  dismiss,
  type HeaderSource,
  permissionCheck,
  principalOf,
  requirePrincipal,
} from './admission.ts';
import { PROBLEM_TYPE, refusalOf } from './refusal.ts';

export { principalOf, requirePrincipal };

/** The members of a FastifyRequest that the hooks use. */
export interface FastifyRequestLike {
  readonly id: string;
  readonly raw: HeaderSource;
  readonly server: object;
}

/**
 * The members of a FastifyReply that the hooks use. A route may narrow the types of `code` and `send`. A refusal
 * ignores the narrowed types.
 */
export interface FastifyReplyLike {
  header(name: string, value: string): unknown;
  code(status: never): unknown;
  send(payload: never): unknown;
}

/** The members of a FastifyInstance that the plugin uses. */
export interface FastifyInstanceLike {
  decorate(name: symbol, value: unknown): unknown;
  decorateRequest(name: string, value: { getter(): unknown }): unknown;
}

export interface TenantryOptions {
  /**
   * `answer` (default): the hooks answer with problem details. `throw`: the VerificationError goes to the error handler
   * of the application. The headers WWW-Authenticate and Retry-After are already set.
   */
  readonly refusals?: 'answer' | 'throw';
}

export interface AuthenticateOptions {
  /** Accepts requests without an Authorization header. Their principal is null. A bad token is still refused. */
  readonly optional?: boolean;
}

export type TenantryPlugin = (instance: FastifyInstanceLike) => Promise<void>;
/**
 * A hook of a route. Use it as an `onRequest` hook, so that the body of a refused request is not read, or as any later
 * hook before the handler.
 */
export type TenantryHook = (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>;

interface Setting {
  readonly verifier: Verifier;
  readonly options: TenantryOptions;
}

const SETTING = Symbol('tenantry');

/**
 * The plugin: `app.register(tenantry(verifier))`. The plugin alone protects no route. Routes use the hooks
 * `authenticate()` and `requirePermission(…)`. A child context may register another verifier for itself.
 */
export function tenantry(verifier: Verifier, options: TenantryOptions = {}): TenantryPlugin {
  const setting: Setting = { verifier, options };
  const plugin: TenantryPlugin = async (instance) => {
    instance.decorate(SETTING, setting);
    instance.decorateRequest('principal', {
      getter(this: object) {
        return principalOf(this);
      },
    });
  };
  return Object.assign(plugin, {
    // As fastify-plugin does: the plugin gets no context of its own, so that its decorators reach the context that
    // registers the plugin.
    [Symbol.for('skip-override')]: true,
    [Symbol.for('fastify.display-name')]: 'tenantry',
    [Symbol.for('plugin-meta')]: { name: 'tenantry', fastify: '5.x' },
  });
}

/** A hook that verifies the token of a request. Read the result with `request.principal` or `principalOf(request)`. */
export function authenticate({ optional = false }: AuthenticateOptions = {}): TenantryHook {
  return guard(async (request, { verifier }) => {
    dismiss(request);
    const authorization = authorizationOf(request.raw);
    if (optional && authorization === undefined) return;
    admit(request, verifier, await verifier.verifyHeader(authorization));
  });
}

/**
 * A hook for use after `authenticate()`. It answers 403 to a principal without the permission, and 401 if there is no
 * principal or if the principal is no longer good. Creating the hook raises TypeError for anything but
 * `resource:action`.
 */
export function requirePermission(permission: string): TenantryHook {
  const check = permissionCheck(permission);
  return guard((request) => check(request));
}

function guard(check: (request: FastifyRequestLike, setting: Setting) => Promise<void>): TenantryHook {
  return async (request, reply) => {
    const setting = (request.server as { [SETTING]?: Setting })[SETTING];
    if (!setting) throw new Error('Register tenantry(verifier) before the routes that use its hooks.');
    try {
      await check(request, setting);
      return undefined;
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      return refuse(request, reply, error, setting);
    }
  };
}

function refuse(
  request: FastifyRequestLike,
  reply: FastifyReplyLike,
  error: VerificationError,
  { options }: Setting,
): unknown {
  const { status, headers, body } = refusalOf(error, request.id);
  for (const [name, value] of Object.entries(headers)) reply.header(name, value);
  if (options.refusals === 'throw') throw error;
  reply.header('content-type', PROBLEM_TYPE);
  reply.code(status as never);
  reply.send(body as never);
  return reply; // this value informs Fastify that the hook has answered
}
