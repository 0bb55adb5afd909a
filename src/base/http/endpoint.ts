// A route is a declaration of method, path, access, limit and schemas, with one call of an operation. `endpoint()` is
// the only way to create a route. The server refuses a route that was created in any other way (see server.ts).
import type { z } from 'zod';
import type { Caller, ClientCaller, OrganizationCaller, OrganizationClient, Principal } from '../../protocol/caller.ts';
import type { OAuthErrorCode } from '../errors/oauth.ts';
import type { ProblemCode } from '../errors/problem.ts';
import type { AssertVersion } from '../headers/conditions.ts';
import type { Once } from '../idempotency/once.ts';
import type { AssertMayRepeat } from '../idempotency/repeat-guard.ts';
import type { Kit } from '../page-kit/kit.ts';
import type { LimitedWork } from './limit-around.ts';

export type Access =
  | { readonly kind: 'open' }
  | { readonly kind: 'signed_in'; readonly alsoSuspended: boolean; readonly orClient: boolean }
  | { readonly kind: 'member'; readonly orClient: boolean }
  | { readonly kind: 'needs'; readonly permission: string; readonly orClient: boolean }
  | { readonly kind: 'client'; readonly permission: string }
  | { readonly kind: 'platform' }
  | PageAccess;

/** The access of a page: `visitor` for everyone, and `browser` for a browser that is signed in. See page.ts. */
export type PageAccess = { readonly kind: 'visitor' } | { readonly kind: 'browser' };

/** Everyone may call the endpoint. */
export const open = () => ({ kind: 'open' }) as const;
interface OrClient {
  /**
   * Service clients may also call the endpoint. An endpoint that needs an organization admits only those of an
   * organization.
   */
  readonly orClient: true;
}

/**
 * Every user with a valid access token may call the endpoint. With `alsoSuspended` the organization of the token may be
 * suspended. Endpoints for a user's own session use this, so that the session can leave that organization.
 */
export function signedIn(or: OrClient): { readonly kind: 'signed_in'; alsoSuspended: boolean; readonly orClient: true };
export function signedIn(also?: { readonly alsoSuspended: boolean }): {
  readonly kind: 'signed_in';
  alsoSuspended: boolean;
  readonly orClient: false;
};
export function signedIn({ alsoSuspended = false, orClient = false } = {}) {
  return { kind: 'signed_in', alsoSuspended, orClient } as const;
}
/** Every user who acts for an organization may call the endpoint, whatever their permissions. */
export function member(): { readonly kind: 'member'; readonly orClient: false };
export function member(or: OrClient): { readonly kind: 'member'; readonly orClient: true };
export function member(or?: OrClient) {
  return { kind: 'member', orClient: or !== undefined } as const;
}
/** Every user with the permission in the organization of the request may call the endpoint. */
export function needs(permission: string): { readonly kind: 'needs'; permission: string; readonly orClient: false };
export function needs(
  permission: string,
  or: OrClient,
): { readonly kind: 'needs'; permission: string; readonly orClient: true };
export function needs(permission: string, or?: OrClient) {
  return { kind: 'needs', permission, orClient: or !== undefined } as const;
}
/** Service clients with the permission may call the endpoint. They belong to an organization or to the installation. */
export const client = (permission: string) => ({ kind: 'client', permission }) as const;
/** Platform administrators may call the endpoint. An operator makes a user a platform administrator. */
export const platform = () => ({ kind: 'platform' }) as const;

export type CallerOf<A extends Access> = A extends { kind: 'open' }
  ? null
  : A extends { kind: 'visitor' }
    ? Caller | null
    : A extends { kind: 'client' }
      ? ClientCaller
      : A extends { orClient: true }
        ? A extends { kind: 'signed_in' }
          ? Principal
          : OrganizationCaller | OrganizationClient
        : A extends { kind: 'member' } | { kind: 'needs' }
          ? OrganizationCaller
          : Caller;

/** The maximum size in bytes of a body with credentials or a refresh token. */
export const SIGN_IN_BODY_BYTES_MAX = 16 * 1024;

/**
 * The allowance that a call uses: see rate-limit.ts. The operation itself counts calls for `session` and `client`,
 * because only the operation knows the session or the service client.
 */
export type Limit = 'sign_in' | 'session' | 'client' | 'other' | 'none';

/**
 * The format of requests and errors of an endpoint: JSON and problems, or forms and OAuth errors (RFC 6749 §3.2, §5.2),
 * or forms and pages. In the first two formats, a successful answer is JSON, unless it is a RawReply.
 */
export type Wire = 'json' | 'oauth' | 'page';

/** The parts of the request that an operation may use, besides its validated input. */
export interface RequestInfo {
  readonly ip: string;
  /**
   * The network of the sender. Limits and failures are counted for each network. It is an IPv4 address, or the /64 of
   * an IPv6 address.
   */
  readonly network: string;
  readonly userAgent: string | null;
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly cookie: (name: string) => string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly accept: string | undefined;
  readonly acceptLanguage: string | undefined;
  /** The path and the query. */
  readonly target: string;
  readonly lastEventId: string | undefined;
  /** The permissions that a proxy requires in a header, separated by commas. */
  readonly requiredPermission: string | undefined;
  /**
   * The organizations that the tenant headers name. They are none, one id or slug, or an id and a slug, which may be of
   * two organizations.
   */
  readonly tenants: readonly string[];
  /**
   * Adds the service client of the request to the log, as a proven client or as a client that the request only claims
   * to be.
   */
  readonly noteServiceClient: (id: string, isProven: boolean) => void;
  /**
   * Counts one call against the allowance of an organization or a client, which `key` names. Raises too_many_requests.
   */
  readonly draw: (limit: 'organization' | 'client', key: string) => Promise<void>;
  /** Runs work of a session within the allowance of the session. Raises too_many_requests. */
  readonly limitSession: <T>(limited: LimitedWork<T>) => Promise<T>;
}

/** Changes the answer's headers and status. */
export interface Answer {
  header(name: string, value: string): void;
  status(code: number): void;
}

export interface HandlerInput<CallerType, Body, Query, Params> {
  readonly caller: CallerType;
  readonly body: Body;
  readonly query: Query;
  readonly params: Params;
  readonly request: RequestInfo;
  readonly answer: Answer;
  /**
   * Runs the operation of an endpoint that is `idempotent`. With an Idempotency-Key it runs at most once, and a repeat
   * gets the same answer. Checks before this call are also made for a repeat, as are those of the session, the
   * membership and the permission of the route. `assertMayRepeat` makes a further one. By default the reply is
   * `{ data }`.
   */
  readonly once: <Result>(
    work: (once: Once) => Promise<Result>,
    toReply?: (result: Result, answer: Answer) => unknown,
    assertMayRepeat?: AssertMayRepeat,
  ) => Promise<unknown>;
  /**
   * Judges the conditions of a request that changes something that is `versioned`. `current` returns the present
   * `data` of the representation.
   */
  readonly assertVersion: AssertVersion<unknown>;
  /**
   * Aborts when the time of the request is over or its client has disconnected. What the operation returns after that
   * is not sent.
   */
  readonly signal: AbortSignal;
  /** What pages share. */
  readonly kit: Kit;
}

/** An answer that the operation writes as text. The schema is used only in the API reference. */
export interface RawReply {
  readonly mediaType: string;
  readonly schema?: z.ZodType;
  /** Another media type, for callers that prefer it. */
  readonly or?: RawReply;
}

type Schema = z.ZodType;
type Output<S> = S extends Schema ? z.output<S> : undefined;

export interface Definition<A extends Access, B, Q, P> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly access: A;
  readonly limit?: Limit;
  /** The id of another endpoint, whose allowance for signing in this one shares. */
  readonly limitAs?: string;
  /** `json` by default. */
  readonly wire?: Wire;
  /**
   * The name in the API reference, in lower camel case. The summary is one line. The tag is the chapter of the
   * reference.
   */
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly body?: B;
  /** True when a request without a body means the same as one with an empty object. */
  readonly bodyOptional?: boolean;
  readonly query?: Q;
  readonly params?: P;
  /** For each successful status: the schema of the answer, null for no body, or the media type of a text. */
  readonly reply: Readonly<Record<number, Schema | null | RawReply>>;
  /** The problems that the operation raises, for the reference. The common ones are added. */
  readonly problems?: readonly ProblemCode[];
  /** The codes of errors/oauth.ts that an endpoint with the wire `oauth` raises, for the reference. */
  readonly oauthErrors?: readonly OAuthErrorCode[];
  readonly bodyBytesMax?: number;
  /**
   * True when `handle` may return a Readable. The Readable has no time limit, and is destroyed when the connection
   * ends.
   */
  readonly streams?: boolean;
  /**
   * True when the endpoint takes an Idempotency-Key. Then `handle` calls `once`. Its access must be open, or for users
   * or members only, because a RepeatGuard judges no service client and no platform administrator.
   */
  readonly idempotent?: true;
  /**
   * The representation of the resource, whose hash is its ETag: true for the schema of the reply itself. The answer to
   * a GET, and any other answer with the resource, carries the ETag. A change honours If-Match, and `handle` calls
   * `assertVersion`.
   */
  readonly versioned?: true | Schema;
  /** True when the request is about a resource of another service, so that its conditions are not judged here. */
  readonly ignoresConditions?: true;
  readonly handle: (input: HandlerInput<CallerOf<A>, Output<B>, Output<Q>, Output<P>>) => unknown;
}

/** A checked declaration, without the types of its own schemas. */
export interface Endpoint extends Omit<Definition<Access, Schema, Schema, Schema>, 'handle' | 'limit' | 'wire'> {
  readonly limit: Limit;
  readonly wire: Wire;
  readonly handle: (input: HandlerInput<Principal | null, unknown, unknown, unknown>) => unknown;
}

const endpoints = new WeakSet<Endpoint>();
const API_ACCESS = ['open', 'signed_in', 'member', 'needs', 'client', 'platform'];

/** Declares a route. */
export function endpoint<
  const A extends Access,
  B extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  P extends Schema | undefined = undefined,
>(definition: Definition<A, B, Q, P>): Endpoint {
  const kinds = definition.wire === 'page' ? ['visitor', 'browser'] : API_ACCESS;
  const known = kinds.includes(definition.access?.kind);
  if (!known) {
    throw new TypeError(
      `${definition.method} ${definition.url} states no access: use open(), signedIn(), member(), needs(), client() or platform()`,
    );
  }
  const { access } = definition;
  const isJudged =
    ['open', 'signed_in', 'member', 'needs'].includes(access.kind) && !('orClient' in access && access.orClient);
  if (definition.idempotent && !isJudged) {
    throw new TypeError(`${definition.id} takes an Idempotency-Key from callers whom no RepeatGuard judges`);
  }
  const declared = Object.freeze({ limit: 'other', wire: 'json', ...definition }) as unknown as Endpoint;
  endpoints.add(declared);
  return declared;
}

/** Whether the declaration was made by `endpoint()`. */
export function isEndpoint(candidate: Endpoint): boolean {
  return endpoints.has(candidate);
}

/** The status of a successful answer, unless the operation sets another one: the first that is declared. */
export function statusOf({ reply }: Endpoint): number {
  for (const status in reply) return Number(status);
  throw new Error('The endpoint declares no reply');
}

/** Whether the request changes a resource that has an ETag. A request that creates one has no ETag to compare with. */
export function changesVersioned({ method, versioned, reply }: Endpoint): boolean {
  return versioned !== undefined && method !== 'GET' && !(201 in reply);
}
