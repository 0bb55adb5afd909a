// The parts of the reference that operations share: headers, and the problems that an endpoint can return. Other files
// have the operations (openapi.ts) and the codes (src/base/errors/catalogue.ts).
import { z } from 'zod';
import type { ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi';
import { PROBLEMS, type ProblemCode } from '../../src/base/errors/problem.ts';
import type { Access, Endpoint } from '../../src/base/http/endpoint.ts';

export const ProblemSchema = z
  .strictObject({
    type: z.string().meta({ description: 'A stable path that identifies the kind of problem.' }),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'For people: what to do next.' }),
    code: z.enum(Object.keys(PROBLEMS)).meta({ description: 'For programs: decide by this.' }),
    error: z.string().meta({ description: 'The same sentence as detail.' }),
    requestId: z.string(),
    issues: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: 'With `validation_failed` and `audience_not_listed`: what was refused, and where.' }),
    organizations: z
      .array(z.strictObject({ id: z.uuid(), name: z.string(), slug: z.string(), canBeDeleted: z.boolean() }))
      .max(100)
      .optional()
      .meta({
        description:
          'With `last_owner`, when an account is closed: the organizations that need another owner, or may be deleted.',
      }),
  })
  .meta({ id: 'Problem', description: 'RFC 9457.' });

export const HEADERS = {
  RequestId: {
    description: 'The id of the request: the one that was sent, if it is valid, otherwise a new one.',
    schema: text(),
  },
  RetryAfter: { description: 'Try again after this many seconds.', schema: seconds() },
  RateLimitLimit: { description: 'How many such calls are allowed in a minute.', schema: seconds() },
  RateLimitRemaining: { description: 'How many of these calls are left.', schema: seconds() },
  RateLimitReset: { description: 'Seconds until all of these calls are allowed again.', schema: seconds() },
  ETag: {
    description: 'The version of the resource (RFC 9110 §8.8.3). It changes with every change that you can see.',
    schema: text(),
  },
  IdempotencyReplayed: {
    description: '`true` if this is the answer of an earlier request with the same Idempotency-Key.',
    schema: text(),
  },
  SetCookie: {
    description: 'With the cookie transport: the refresh token, HttpOnly and SameSite=Strict.',
    schema: text(),
  },
};

function text() {
  return { type: 'string' } as const;
}

function seconds() {
  return { type: 'integer', minimum: 0 } as const;
}

function header(name: keyof typeof HEADERS) {
  return { $ref: `#/components/headers/${name}` } as const;
}

/** Returns the headers that every answer of the endpoint may have. */
export function answerHeaders(declared: Endpoint) {
  const limited = {
    'RateLimit-Limit': header('RateLimitLimit'),
    'RateLimit-Remaining': header('RateLimitRemaining'),
    'RateLimit-Reset': header('RateLimitReset'),
  };
  const hasTag = declared.versioned !== undefined && declared.method !== 'DELETE' && !(204 in declared.reply);
  return {
    'X-Request-ID': header('RequestId'),
    ...(declared.limit === 'none' ? {} : limited),
    ...(hasTag ? { ETag: header('ETag') } : {}),
    ...(declared.idempotent ? { 'Idempotency-Replayed': header('IdempotencyReplayed') } : {}),
  };
}

export const COOKIE_HEADER = { 'Set-Cookie': header('SetCookie') };

type Codes = readonly ProblemCode[];

const UNAUTHENTICATED: Codes = ['unauthenticated', 'invalid_token', 'token_expired', 'token_stale', 'session_revoked'];
// The problems that tenant headers can cause on a route that needs an access token.
const TENANT: Codes = ['tenant_mismatch', 'organization_access_denied', 'organization_suspended'];

// The refusals of the guard and of the body reader, which many operations share. Each group of refusals has a name and
// is described once.
const SHARED: Readonly<Record<string, Codes>> = {
  BadRequest: ['bad_request'],
  BadBody: ['bad_request', 'duplicate_member', 'malformed_json'],
  Unauthenticated: UNAUTHENTICATED,
  UnauthenticatedOrSuspended: [...UNAUTHENTICATED, 'organization_suspended'],
  OtherTenant: ['user_required', ...TENANT],
  NoOrganization: ['organization_required', 'user_required', ...TENANT],
  Forbidden: ['organization_required', 'permission_denied', 'user_required', ...TENANT],
  NoAdministrator: ['permission_denied', 'user_required', ...TENANT],
  NoClient: ['permission_denied', 'client_required', 'tenant_mismatch'],
  BodyTooLarge: ['body_too_large'],
  UnsupportedMediaType: ['unsupported_media_type'],
  ValidationFailed: ['validation_failed'],
  PreconditionFailed: ['precondition_failed'],
  ValidationFailedOrKeyReused: ['validation_failed', 'idempotency_key_reused'],
  RequestTimeout: ['request_timeout'],
  UriTooLong: ['uri_too_long'],
  ExpectationFailed: ['expectation_failed'],
  HeadersTooLarge: ['headers_too_large'],
  TooManyRequests: ['too_many_requests'],
  InternalError: ['internal_error'],
  Unavailable: [
    'clock_skewed',
    'database_not_writable',
    'database_set_back',
    'database_unavailable',
    'service_busy',
    'signing_unavailable',
  ],
};

const IDEMPOTENCY: Codes = ['idempotency_key_in_use', 'idempotency_answer_lost', 'idempotency_key_reused'];

const FORBIDDEN = {
  signed_in: 'OtherTenant',
  member: 'NoOrganization',
  needs: 'Forbidden',
  platform: 'NoAdministrator',
  client: 'NoClient',
} as const satisfies Partial<Record<Access['kind'], string>>;

/**
 * The refusals of requests that do not arrive whole, are too large, or have an Expect header with another value than
 * 100-continue. They are sent before an endpoint gets the request.
 */
const OF_THE_CONNECTION = ['RequestTimeout', 'ExpectationFailed', 'HeadersTooLarge'];

/**
 * Returns the responses at OAuth endpoints that are problems, because they are sent before an endpoint gets the
 * request.
 */
export function connectionResponses(): ZodOpenApiResponsesObject {
  return Object.fromEntries(
    OF_THE_CONNECTION.flatMap((name) => (SHARED[name] ?? []).map((code) => [PROBLEMS[code].status, name] as const)).map(
      ([status, name]) => [`${status}`, { $ref: `#/components/responses/${name}` }],
    ),
  );
}

function commonCodes(declared: Endpoint): Codes {
  const names = ['ValidationFailed', 'InternalError', declared.body ? 'BadBody' : 'BadRequest', ...OF_THE_CONNECTION];
  if (declared.params) names.push('UriTooLong');
  if (declared.body) names.push('BodyTooLarge', 'UnsupportedMediaType');
  const { kind } = declared.access;
  if (kind !== 'open' && kind in FORBIDDEN) names.push('Unauthenticated', FORBIDDEN[kind as keyof typeof FORBIDDEN]);
  if (declared.limit !== 'none') names.push('TooManyRequests', 'Unavailable');
  if (declared.versioned !== undefined) names.push('PreconditionFailed');
  return [...names.flatMap((name) => SHARED[name] ?? []), ...(declared.idempotent ? IDEMPOTENCY : [])];
}

function refusesSuspended(access: Access): boolean {
  return access.kind === 'signed_in' ? !access.alsoSuspended : ['member', 'needs', 'client'].includes(access.kind);
}

function isCode(code: string): code is ProblemCode {
  return code in PROBLEMS;
}

/** Returns the problems that the endpoint can return, by status. Raises TypeError for an unknown code. */
export function problemsByStatus(declared: Endpoint): Map<number, ProblemCode[]> {
  const found = new Map<number, Set<ProblemCode>>();
  for (const code of [...commonCodes(declared), ...(declared.problems ?? [])]) {
    if (!isCode(code)) throw new TypeError(`${declared.id} names the unknown problem ${code}`);
    const { status } = PROBLEMS[code];
    found.set(status, (found.get(status) ?? new Set()).add(code));
  }
  // The code organization_suspended is answered with 401 if the token itself is refused: see
  // sign-in/sessions/authenticate.ts.
  if (refusesSuspended(declared.access)) found.get(401)?.add('organization_suspended');
  return new Map([...found].sort(([a], [b]) => a - b).map(([status, codes]) => [status, [...codes].sort()]));
}

function problemResponse(status: number, codes: Codes): ZodOpenApiResponseObject {
  const waits = status === 429 || status === 503 || codes.includes('idempotency_key_in_use');
  return {
    description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join(' '),
    headers: { 'X-Request-ID': header('RequestId'), ...(waits ? { 'Retry-After': header('RetryAfter') } : {}) },
    content: { 'application/problem+json': { schema: ProblemSchema } },
  };
}

const NAMES = new Map(Object.entries(SHARED).map(([name, codes]) => [[...codes].sort().join(), name]));

/** Returns the shared responses that the endpoints use, by their names. */
export function sharedResponses(endpoints: readonly Endpoint[]): Record<string, ZodOpenApiResponseObject> {
  const used = endpoints.flatMap((declared) => [...problemsByStatus(declared)]);
  return Object.fromEntries(
    used.flatMap(([status, codes]) => {
      const name = NAMES.get(codes.join());
      return name ? [[name, problemResponse(status, codes)] as const] : [];
    }),
  );
}

/** Returns the problem responses of an endpoint. A shared response is a reference to its name. */
export function problemResponses(declared: Endpoint): ZodOpenApiResponsesObject {
  const responses: ZodOpenApiResponsesObject = {};
  for (const [status, codes] of problemsByStatus(declared)) {
    const name = NAMES.get(codes.join());
    responses[`${status}` as '400'] = name
      ? { $ref: `#/components/responses/${name}` }
      : problemResponse(status, codes);
  }
  return responses;
}
