// A route is a declaration of method, path, access, limit and schemas, with one call of an operation. `endpoint()` is the
// only way to make one: the server refuses every other route (see server.ts).
import type { z } from 'zod';
import type { Caller, ClientCaller, OrganizationCaller, OrganizationClient, Principal } from '../../protocol/caller.ts';
import type { OAuthErrorCode } from '../errors/oauth.ts';
import type { ProblemCode } from '../errors/problem.ts';

export type Access =
  | { readonly kind: 'open' }
  | { readonly kind: 'signed_in'; readonly alsoSuspended: boolean; readonly orClient: boolean }
  | { readonly kind: 'member'; readonly orClient: boolean }
  | { readonly kind: 'needs'; readonly permission: string; readonly orClient: boolean }
  | { readonly kind: 'client'; readonly permission: string }
  | { readonly kind: 'platform' };

/** Everyone may call it. */
export const open = () => ({ kind: 'open' }) as const;
interface OrClient {
  /** A service client of the organization may call it too. */
  readonly orClient: true;
}

/**
 * Everyone with a valid access token may call it. With `alsoSuspended` the organization of the token may be suspended:
 * for what a user does to their own session, so that the session can leave that organization.
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
/** Every caller that acts for an organization may call it, with any permissions. */
export function member(): { readonly kind: 'member'; readonly orClient: false };
export function member(or: OrClient): { readonly kind: 'member'; readonly orClient: true };
export function member(or?: OrClient) {
  return { kind: 'member', orClient: or !== undefined } as const;
}
/** Every caller with the permission in the organization that the token acts for may call it. */
export function needs(permission: string): { readonly kind: 'needs'; permission: string; readonly orClient: false };
export function needs(
  permission: string,
  or: OrClient,
): { readonly kind: 'needs'; permission: string; readonly orClient: true };
export function needs(permission: string, or?: OrClient) {
  return { kind: 'needs', permission, orClient: or !== undefined } as const;
}
/** Service clients with the permission may call it, of an organization or of the installation. */
export const client = (permission: string) => ({ kind: 'client', permission }) as const;
/** Administrators of the platform may call it. An operator makes a user one. */
export const platform = () => ({ kind: 'platform' }) as const;

type CallerOf<A extends Access> = A extends { kind: 'open' }
  ? null
  : A extends { kind: 'client' }
    ? ClientCaller
    : A extends { orClient: true }
      ? A extends { kind: 'signed_in' }
        ? Principal
        : OrganizationCaller | OrganizationClient
      : A extends { kind: 'member' } | { kind: 'needs' }
        ? OrganizationCaller
        : Caller;

/** The most bytes of a body with credentials or a refresh token. */
export const SIGN_IN_BODY_BYTES_MAX = 16 * 1024;

/**
 * The allowance that a call draws on: see rate-limit.ts. The operation itself draws on `session` and `client`, because
 * only the operation knows the session or the service client.
 */
export type Limit = 'sign_in' | 'session' | 'client' | 'other' | 'none';

/**
 * The format of requests and errors of an endpoint: JSON and problems, or forms and OAuth errors (RFC 6749 §3.2, §5.2).
 * Successful answers are JSON in both.
 */
export type Wire = 'json' | 'oauth';

/** The parts of the request that an operation may use, beside its validated input. */
export interface RequestInfo {
  readonly ip: string;
  /** The network, by which limits and failures are counted: an IPv4 address, or the /64 of an IPv6 address. */
  readonly network: string;
  readonly userAgent: string | null;
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly cookie: (name: string) => string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly accept: string | undefined;
  readonly lastEventId: string | undefined;
  /** The permissions that a proxy requires in a header, separated by commas. */
  readonly requiredPermission: string | undefined;
  /** The organizations that the tenant headers name: none, one id or slug, or an id and a slug, maybe of two. */
  readonly tenants: readonly string[];
  /** Adds the service client of the request to the log: proven, or only claimed. */
  readonly noteServiceClient: (id: string, isProven: boolean) => void;
  /** Draws one call from the allowance of a key. Raises too_many_requests. */
  readonly draw: (limit: 'session' | 'organization' | 'client', key: string) => Promise<void>;
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
}

/** An answer that the operation writes as text. The schema is only for the reference. */
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
  /** `json` by default. */
  readonly wire?: Wire;
  /** The name in the API reference, in lower camel case. The summary is one line, the tag is the chapter. */
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly body?: B;
  /** True when a request without a body means the same as one with an empty object. */
  readonly bodyOptional?: boolean;
  readonly query?: Q;
  readonly params?: P;
  /** For each successful status the schema of the answer, null for no body, or the media type of a text. */
  readonly reply: Readonly<Record<number, Schema | null | RawReply>>;
  /** The problems that the operation raises, for the reference. The common ones are added. */
  readonly problems?: readonly ProblemCode[];
  /** The same for the codes of errors/oauth.ts, for an endpoint with the wire `oauth`. */
  readonly oauthErrors?: readonly OAuthErrorCode[];
  readonly bodyBytesMax?: number;
  /** True when `handle` returns a Readable. It has no time limit, and is destroyed with the connection. */
  readonly streams?: boolean;
  readonly handle: (input: HandlerInput<CallerOf<A>, Output<B>, Output<Q>, Output<P>>) => unknown;
}

/** A checked declaration, without the types of its own schemas. */
export interface Endpoint extends Omit<Definition<Access, Schema, Schema, Schema>, 'handle' | 'limit' | 'wire'> {
  readonly limit: Limit;
  readonly wire: Wire;
  readonly handle: (input: HandlerInput<Principal | null, unknown, unknown, unknown>) => unknown;
}

const endpoints = new WeakSet<Endpoint>();

/** Declares a route. */
export function endpoint<
  const A extends Access,
  B extends Schema | undefined = undefined,
  Q extends Schema | undefined = undefined,
  P extends Schema | undefined = undefined,
>(definition: Definition<A, B, Q, P>): Endpoint {
  const known = ['open', 'signed_in', 'member', 'needs', 'client', 'platform'].includes(definition.access?.kind);
  if (!known) {
    throw new TypeError(
      `${definition.method} ${definition.url} states no access: use open(), signedIn(), member(), needs(), client() or platform()`,
    );
  }
  const declared = Object.freeze({ limit: 'other', wire: 'json', ...definition }) as unknown as Endpoint;
  endpoints.add(declared);
  return declared;
}

/** Whether it was made by `endpoint()`. */
export function isEndpoint(candidate: Endpoint): boolean {
  return endpoints.has(candidate);
}
