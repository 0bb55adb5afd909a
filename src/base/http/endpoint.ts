// What a route is: a declaration of method, path, access, limit and schemas, and one call of an operation.
// `endpoint()` is the only way to make one; the server refuses every other (see server.ts).
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

/** Anybody may call it. */
export const open = () => ({ kind: 'open' }) as const;
interface OrClient {
  /** Whether a service client of the organization may call it as well. */
  readonly orClient: true;
}

/**
 * Whoever has a good access token may call it; with `alsoSuspended` also one whose organization is suspended: for what
 * a user does to their own session, so that it can leave that organization.
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
/** Whoever acts for an organization, with whatever rights. */
export function member(): { readonly kind: 'member'; readonly orClient: false };
export function member(or: OrClient): { readonly kind: 'member'; readonly orClient: true };
export function member(or?: OrClient) {
  return { kind: 'member', orClient: or !== undefined } as const;
}
/** Whoever holds the permission in the organization that their token acts for. */
export function needs(permission: string): { readonly kind: 'needs'; permission: string; readonly orClient: false };
export function needs(
  permission: string,
  or: OrClient,
): { readonly kind: 'needs'; permission: string; readonly orClient: true };
export function needs(permission: string, or?: OrClient) {
  return { kind: 'needs', permission, orClient: or !== undefined } as const;
}
/** Service clients that hold the permission, of an organization or of the installation. */
export const client = (permission: string) => ({ kind: 'client', permission }) as const;
/** Whom an operator has made an administrator of the whole platform. */
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

/** Bytes that a body with credentials or a refresh token may have. */
export const SIGN_IN_BODY_BYTES_MAX = 16 * 1024;

/**
 * Which allowance a call draws on: see rate-limit.ts. `session` and `client` are drawn by the operation, which knows the
 * session or the service client.
 */
export type Limit = 'sign_in' | 'session' | 'client' | 'other' | 'none';

/**
 * What an endpoint takes and how it refuses: JSON and problems, or forms and the errors of OAuth (RFC 6749 §3.2, §5.2).
 * Good answers are JSON either way.
 */
export type Wire = 'json' | 'oauth';

/** What of the request an operation may be told, beside its validated input. */
export interface RequestInfo {
  readonly ip: string;
  /** The network that limits and failures are counted by: the address, or the /64 of an IPv6 one. */
  readonly network: string;
  readonly userAgent: string | null;
  readonly authorization: string | undefined;
  readonly origin: string | undefined;
  readonly fetchSite: string | undefined;
  readonly cookie: (name: string) => string | undefined;
  readonly ifNoneMatch: string | undefined;
  readonly accept: string | undefined;
  readonly lastEventId: string | undefined;
  /** What a proxy demands beside its query: permissions with commas between them. */
  readonly requiredPermission: string | undefined;
  /** What the tenant headers name: nothing, one id or slug, or an id and a slug that may be two organizations. */
  readonly tenants: readonly string[];
  /** For the log: which service client the request is from, or says that it is from. */
  readonly noteServiceClient: (id: string, isProven: boolean) => void;
  /** Draws on an allowance under a key. Raises too_many_requests. */
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

/** An answer that the operation has written out itself; the schema is for the reference. */
export interface RawReply {
  readonly mediaType: string;
  readonly schema?: z.ZodType;
  /** Another form of it, for who prefers that. */
  readonly or?: RawReply;
}

type Schema = z.ZodType;
type Output<S> = S extends Schema ? z.output<S> : undefined;

export interface Definition<A extends Access, B, Q, P> {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: string;
  readonly access: A;
  readonly limit?: Limit;
  /** `json` unless told. */
  readonly wire?: Wire;
  /** For the API reference: a name in lower camel case, one line, and the chapter. */
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly body?: B;
  /** True when a request without any body is as good as one with an empty object. */
  readonly bodyOptional?: boolean;
  readonly query?: Q;
  readonly params?: P;
  /** The schema of each good answer, null for one without a body, or text that is sent as it is. */
  readonly reply: Readonly<Record<number, Schema | null | RawReply>>;
  /** Codes of errors.ts that the operation raises, for the reference; the common ones are added. */
  readonly problems?: readonly ProblemCode[];
  /** Likewise of errors/oauth.ts, for an endpoint of that wire. */
  readonly oauthErrors?: readonly OAuthErrorCode[];
  readonly bodyBytesMax?: number;
  /** True where `handle` gives a Readable, which may take as long as it likes; it is destroyed with the connection. */
  readonly streams?: boolean;
  readonly handle: (input: HandlerInput<CallerOf<A>, Output<B>, Output<Q>, Output<P>>) => unknown;
}

/** A checked declaration, stripped of its types. */
export interface Endpoint extends Omit<Definition<Access, Schema, Schema, Schema>, 'handle' | 'limit' | 'wire'> {
  readonly limit: Limit;
  readonly wire: Wire;
  readonly handle: (input: HandlerInput<Principal | null, unknown, unknown, unknown>) => unknown;
}

const made = new WeakSet<Endpoint>();

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
      `${definition.method} ${definition.url} states no access: say open(), signedIn(), member(), needs(), client() or platform()`,
    );
  }
  const declared = Object.freeze({ limit: 'other', wire: 'json', ...definition }) as unknown as Endpoint;
  made.add(declared);
  return declared;
}

/** Whether it came from `endpoint()`. */
export function isEndpoint(candidate: Endpoint): boolean {
  return made.has(candidate);
}
