// Mounts one endpoint. The guard runs before the body is read. Then the input is validated, the operation runs, and the
// answer is checked against its schema.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import {
  actsForOrganization,
  type Caller,
  type ClientCaller,
  type OrganizationCaller,
  type Principal,
} from '../../protocol/caller.ts';
import { permits } from '../../protocol/permission.ts';
import { validate } from '../bodies/validate.ts';
import { problem } from '../errors/problem.ts';
import { assertOwnTenant, namedTenants } from '../headers/tenant.ts';
import type { Idempotency } from '../idempotency/idempotency.ts';
import type { Kit } from '../page-kit/kit.ts';
import { type Requester, workFor } from '../platform/requester.ts';
import { type Deadline, deadlineOf } from './deadline.ts';
import {
  type Access,
  type Endpoint,
  type HandlerInput,
  isEndpoint,
  SIGN_IN_BODY_BYTES_MAX,
  statusOf,
} from './endpoint.ts';
import { admitVisit, type PageGuard } from './page-admission.ts';
import { type DrawLimit, drawSignIn, networkOf } from './rate-limit.ts';
import { guardChange, send } from './reply.ts';
import { FastifyRequestInfo, PreparedAnswer, workOf } from './request-info.ts';

/** Marks the routes that were made by `endpoint()`. */
export const ROUTE_MARK = Symbol('endpoint');

/**
 * The function that finds the principal of a token. It raises a problem for a refused token. `alsoSuspended` allows a
 * suspended organization.
 */
export type Authenticate = (
  authorization: string | undefined,
  options: { readonly alsoSuspended: boolean },
) => Promise<Principal>;

export interface Guard {
  readonly authenticate: Authenticate;
  /**
   * Takes a caller whose token names no organization. Returns the caller, acting for the organization that the
   * references (id or slug) name. Raises bad_request when they name different organizations. Raises
   * organization_access_denied or organization_suspended.
   */
  readonly actFor: (caller: Caller, references: readonly string[]) => Promise<OrganizationCaller>;
  readonly holds: (caller: OrganizationCaller, permission: string) => boolean | Promise<boolean>;
  readonly isPlatformAdministrator: (caller: Caller) => Promise<boolean>;
  readonly draw: DrawLimit;
  /** Needed for endpoints that take an Idempotency-Key. */
  readonly idempotency?: Idempotency | undefined;
  /** Needed for pages. */
  readonly pages?: PageGuard | undefined;
}

/** Registers the endpoint with the server. Raises unless `endpoint()` made it. */
export function mountEndpoint(app: FastifyInstance, declared: Endpoint, guard: Guard): void {
  if (!isEndpoint(declared)) throw new Error(`${declared.method} ${declared.url} was not declared by endpoint()`);
  const status = statusOf(declared);
  app.route({
    method: declared.method,
    url: declared.url,
    config: { mark: ROUTE_MARK, wire: declared.wire, idempotent: declared.idempotent } as object,
    ...bodyLimit(declared),
    ...(isForAll(declared) ? {} : { onRequest: (request, reply) => admit(declared, guard, request, reply) }),
    handler: (request, reply) => workFor(workOf(request), () => operate(declared, guard, request, reply.code(status))),
  });
}

/** Validates the input, runs the operation and sends its answer, unless its time is over. */
async function operate(
  declared: Endpoint,
  guard: Guard,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const deadline = deadlineOf(request);
  const work = workOf(request);
  const answer = new PreparedAnswer();
  let result: unknown;
  work.begin();
  try {
    const input = {
      caller: request.getDecorator<Principal | null>('caller'),
      body: declared.body && validate(declared.body, bodyOf(declared, request), ''),
      query: declared.query ? validate(declared.query, request.query, 'query') : assertEmpty(request.query),
      params: declared.params ? validate(declared.params, request.params, 'path') : request.params,
      answer,
    };
    const guarded = guardChange(declared, guard.idempotency, request, input);
    const info = new FastifyRequestInfo(request, reply, guard.draw);
    const parts = { request: info, deadline, kit: guard.pages?.kit ?? null };
    result = await declared.handle(new OperationInput(input, guarded, parts));
    guarded.assertUsed();
  } catch (error) {
    if (deadline.isOver) return ignoreLate(request, reply, error);
    answer.applyTo(reply);
    throw error;
  } finally {
    work.end();
  }
  if (deadline.isOver) {
    if (result instanceof Readable) result.destroy();
    return ignoreLate(request, reply, null);
  }
  answer.applyTo(reply);
  if (declared.wire === 'oauth') reply.header('pragma', 'no-cache'); // RFC 6749 §5.1
  if (declared.streams && result instanceof Readable) deadline.lift();
  send(declared, request, reply, result);
  // The framework waits for an answer that is sent in parts only if it gets the reply.
  return reply.sent ? undefined : reply;
}

type Input = HandlerInput<Principal | null, unknown, unknown, unknown>;
type Validated = Pick<Input, 'caller' | 'body' | 'query' | 'params' | 'answer'>;

/**
 * What an operation gets. In an object literal, the getter would be a new one for each request, and V8 would keep a new
 * shape, and with it the request, until the next collection of the whole heap.
 */
class OperationInput implements Input {
  readonly caller: Input['caller'];
  readonly body: unknown;
  readonly query: unknown;
  readonly params: unknown;
  readonly answer: Input['answer'];
  readonly once: Input['once'];
  readonly assertVersion: Input['assertVersion'];
  readonly request: Input['request'];
  readonly #deadline: Deadline;
  readonly #kit: Kit | null;

  constructor(
    { caller, body, query, params, answer }: Validated,
    { once, assertVersion }: Pick<Input, 'once' | 'assertVersion'>,
    { request, deadline, kit }: { request: Input['request']; deadline: Deadline; kit: Kit | null },
  ) {
    this.caller = caller;
    this.body = body;
    this.query = query;
    this.params = params;
    this.answer = answer;
    this.once = once;
    this.assertVersion = assertVersion;
    this.request = request;
    this.#deadline = deadline;
    this.#kit = kit;
  }

  get kit(): Kit {
    if (!this.#kit) throw new Error('The server has no kit for pages');
    return this.#kit;
  }

  get signal(): AbortSignal {
    return this.#deadline.signal;
  }
}

/** Logs an operation that ended late. The client already has the answer that the time is over. */
function ignoreLate(request: FastifyRequest, reply: FastifyReply, error: unknown): FastifyReply {
  const reason = error instanceof Error ? error.message : undefined;
  request.log.warn({ route: request.routeOptions.url, reason }, 'an operation ended after its time was over');
  return reply;
}

/**
 * The size limit of the endpoint. Without one, a smaller limit applies to signing in, forms and pages, and the limit of
 * the server applies to all other endpoints.
 */
function bodyLimit({ bodyBytesMax, limit, wire }: Endpoint): { bodyLimit?: number } {
  if (bodyBytesMax !== undefined) return { bodyLimit: bodyBytesMax };
  return limit === 'sign_in' || wire !== 'json' ? { bodyLimit: SIGN_IN_BODY_BYTES_MAX } : {};
}

/** Whether everybody may call the endpoint as often as they want. */
function isForAll({ access, limit }: Endpoint): boolean {
  return access.kind === 'open' && limit === 'none';
}

/**
 * Runs before the body is read. Unless the route has another limit, a call of an open route counts against the
 * allowance of the network, and a call of any other route counts against the allowance of the principal. A route with
 * the limit `sign_in` also counts its calls alone, for the network or the signed-in user. Only those functions of the
 * guard that may read PostgreSQL run for the requester.
 */
async function admit(declared: Endpoint, guard: Guard, request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  if (declared.wire === 'page') return admitVisit(declared, guard, request, reply);
  const network = `ip ${networkOf(request.ip)}`;
  if (declared.access.kind === 'open') {
    namedTenants(request.headers); // raises for contradicting headers, even when the operation does not read them
    if (declared.limit === 'sign_in') await drawSignIn(guard.draw, declared, request, reply);
    else if (declared.limit !== 'client') await guard.draw(request, reply, 'other', `${declared.limit} ${network}`);
    return undefined;
  }
  let caller: Principal;
  try {
    caller = await guard.authenticate(request.headers.authorization, { alsoSuspended: alsoSuspended(declared) });
  } catch (refused) {
    if (declared.limit !== 'none') await guard.draw(request, reply, 'other', network); // limits the guessing of tokens
    throw refused;
  }
  const work = workOf(request);
  work.isFor(caller);
  request.setDecorator('caller', caller);
  if (declared.limit !== 'none') {
    const allowance = caller.kind === 'client' ? 'client' : 'other';
    await guard.draw(request, reply, allowance, `${caller.kind} ${caller.id}`);
  }
  const references = namedTenants(request.headers);
  const acting = references.length === 0 ? caller : await inTenant(guard, caller, references, work);
  if (acting !== caller) {
    work.isFor(acting);
    request.setDecorator('caller', acting);
  }
  await assertAllowed(declared, guard, acting, work);
  if (declared.limit === 'sign_in') await drawSignIn(guard.draw, declared, request, reply, caller);
  return undefined;
}

/**
 * Whether the endpoint also serves a suspended organization. The endpoints for platform administrators do, so that
 * administrators can activate even their own suspended organization.
 */
function alsoSuspended({ access }: Endpoint): boolean {
  return access.kind === 'platform' || (access.kind === 'signed_in' && access.alsoSuspended);
}

/**
 * Returns the caller in the organization of the request. Tenant headers choose it only for a user whose token names no
 * organization. Otherwise they must name the organization of the token.
 */
async function inTenant(
  guard: Guard,
  caller: Principal,
  references: readonly string[],
  requester: Requester,
): Promise<Principal> {
  if (caller.kind === 'user' && !actsForOrganization(caller)) {
    return workFor(requester, () => guard.actFor(caller, references));
  }
  assertOwnTenant(caller, references);
  return caller;
}

const PLATFORM_ONLY =
  'For platform administrators only. An operator makes a user one: tenantry users grant <user> --platform-admin.';

async function assertAllowed(
  { access }: Endpoint,
  guard: Guard,
  caller: Principal,
  requester: Requester,
): Promise<void> {
  if (caller.kind === 'client') return assertClientAllowed(access, caller);
  if (access.kind === 'client') throw problem('client_required');
  if (access.kind === 'platform') {
    const isAllowed = await workFor(requester, () => guard.isPlatformAdministrator(caller));
    if (!isAllowed) throw problem('permission_denied', { detail: PLATFORM_ONLY });
  } else if (access.kind === 'member' || access.kind === 'needs') {
    if (!actsForOrganization(caller)) throw problem('organization_required');
    if (access.kind === 'member') return;
    const isAllowed = await workFor(requester, () => guard.holds(caller, access.permission));
    if (!isAllowed) throw problem('permission_denied');
  }
}

/** A client may call only a route that allows clients. If the route needs a permission, the client must have it. */
function assertClientAllowed(access: Access, caller: ClientCaller): void {
  const allowsClients = access.kind === 'client' || ('orClient' in access && access.orClient);
  if (!allowsClients) throw problem('user_required');
  if (access.kind === 'signed_in') return;
  if (access.kind !== 'client' && !actsForOrganization(caller)) throw problem('organization_required');
  if (access.kind !== 'member' && !permits(caller.permissions, access.permission)) throw problem('permission_denied');
}

function bodyOf(declared: Endpoint, request: FastifyRequest): unknown {
  // A form without parameters has an empty body.
  if (request.body === undefined && (declared.bodyOptional || declared.wire === 'oauth')) return {};
  return request.body;
}

const NOTHING = z.strictObject({});
const EMPTY = Object.freeze({});

/** Returns the query of an endpoint that takes none. Raises validation_failed for any parameter. */
function assertEmpty(query: unknown): unknown {
  return query === null || Object.keys(query as object).length === 0 ? EMPTY : validate(NOTHING, query, 'query');
}
