// Converts any thrown error into a problem (RFC 9457), and sends it as JSON or as a page. Messages of libraries, SQL
// and stack traces are never sent.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { DatabaseBusy, DatabaseNotWritable, isOutage } from '../database/db.ts';
import { sqlStateOf } from '../database/sql-state.ts';
import { Problem, type ProblemCode } from '../errors/problem.ts';
import { PROBLEM_TYPE, problemBody } from '../errors/problem-body.ts';
import { preferredType } from '../headers/accept.ts';
import { type Kit, openView } from '../page-kit/kit.ts';
import { problemPage } from '../page-kit/problem-page.ts';
import { DataKeyMissing, SealBroken } from '../secrets/sealing.ts';
import { pagePolicy } from './security-headers.ts';

// The problems for error codes of the framework and of Node. Any other error with a 4xx status becomes bad_request.
const FRAMEWORK: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_ERR_BAD_URL: 'bad_request',
  FST_ERR_ASYNC_CONSTRAINT: 'bad_request',
  FST_ERR_NOT_FOUND: 'not_found',
  FST_ERR_MAX_PARAM_LENGTH: 'uri_too_long',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

// When text has passed every check but PostgreSQL cannot store it, that is a mistake of the sender and not an outage.
const UNSTORABLE = new Set<string | undefined>(['22021', '22P05']);

/** Converts an error of a feature, which the HTTP layer does not import, into a Problem; null for any other error. */
export type Translate = (error: unknown) => Problem | null;

/** Converts any thrown error into a Problem; internal_error for an unexpected one. */
export function toProblem(error: unknown, translate: Translate): Problem {
  if (error instanceof Problem) return error;
  const translated = translate(error);
  if (translated) return translated;
  if (error instanceof DatabaseNotWritable) {
    return new Problem('database_not_writable', { retryAfterSeconds: 5 }, { cause: error });
  }
  if (isOutage(error)) {
    const code = error instanceof DatabaseBusy ? 'service_busy' : 'database_unavailable';
    return new Problem(code, { retryAfterSeconds: 1 }, { cause: error });
  }
  if (error instanceof DataKeyMissing) {
    return new Problem('data_key_missing', { retryAfterSeconds: 5 }, { cause: error });
  }
  if (error instanceof SealBroken) return new Problem('personal_data_unreadable', {}, { cause: error });
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? FRAMEWORK[code] : undefined;
  if (known) return new Problem(known, {}, { cause: error });
  if (UNSTORABLE.has(sqlStateOf(error))) return new Problem('validation_failed', {}, { cause: error });
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new Problem('bad_request', {}, { cause: error });
  }
  return new Problem('internal_error', {}, { cause: error });
}

/** What is known about the work of a request. */
export interface WorkNote {
  /**
   * Whether the operation has certainly changed nothing. False while the operation still runs, which it may do after
   * the time for an answer is over.
   */
  readonly isUnchanged: boolean;
}

/** The name of the decorator of requests that holds their WorkNote, or null. */
export const WORK = 'work';

const UNCHANGED = 'Nothing was changed.';
const UNKNOWN = 'What the request asked for may or may not have been done: see what exists now before you repeat it.';
const REPEATABLE = 'A repeat with the same Idempotency-Key is safe.';

/**
 * Adds to a failure of the service (500 or 503) a sentence about the change that was requested. It says that nothing
 * was changed, if this is certain, and otherwise that the outcome is unknown.
 */
export function withOutcome(thrown: Problem, request: FastifyRequest): Problem {
  if (thrown.status < 500 || ['GET', 'HEAD', 'OPTIONS'].includes(request.method)) return thrown;
  const note = request.getDecorator<WorkNote | null>(WORK);
  const isUnchanged = thrown.extras.isUnchanged || note === null || note.isUnchanged;
  const { idempotent } = (request.routeOptions.config ?? {}) as { readonly idempotent?: boolean };
  const outcome = isUnchanged ? [UNCHANGED] : [UNKNOWN, ...(idempotent ? [REPEATABLE] : [])];
  const detail = [thrown.message, ...outcome].join(' ');
  return new Problem(thrown.code, { ...thrown.extras, detail }, { cause: thrown.cause });
}

/** Sends the problem with its headers. */
export function sendProblem(request: FastifyRequest, reply: FastifyReply, thrown: Problem): FastifyReply {
  setProblemHeaders(request, reply, thrown);
  return reply.code(thrown.status).type(PROBLEM_TYPE).serializer(JSON.stringify).send(problemBody(thrown, request.id));
}

const UNREADABLE: readonly ProblemCode[] = ['data_key_missing', 'personal_data_unreadable'];
/**
 * Paths that programs call. The 404 and 405 answers below these paths are never pages, whatever a proxy passes on in
 * Accept.
 */
const FOR_PROGRAMS = /^\/(?:api|oauth|verify|docs|assets|\.well-known|healthz|readyz)(?:[/?]|$)/;

/**
 * Whether the request gets its problem as a page. Such a request prefers HTML, and is for a page or for a path that is
 * unknown and is not for programs.
 */
export function prefersPage(request: FastifyRequest): boolean {
  const { wire } = (request.routeOptions.config ?? {}) as { readonly wire?: string };
  if (wire !== 'page' && (!request.is404 || FOR_PROGRAMS.test(request.url))) return false;
  const { accept } = request.headers;
  return preferredType(accept, ['application/problem+json', 'application/json', 'text/html']) === 'text/html';
}

/** Sends the problem as a page, in the language of the request. */
export function sendProblemPage(kit: Kit, request: FastifyRequest, reply: FastifyReply, thrown: Problem): FastifyReply {
  const cookies = request.server.parseCookie(request.headers.cookie ?? '');
  const { 'accept-language': acceptLanguage } = request.headers;
  const visit = { target: request.url, acceptLanguage, cookie: (name: string) => cookies[name], sessionId: null };
  const { view } = openView(kit, visit);
  setProblemHeaders(request, reply, thrown);
  return reply
    .code(thrown.status)
    .header('content-security-policy', pagePolicy())
    .type('text/html; charset=utf-8')
    .serializer(String)
    .send(problemPage(view, thrown, request.id));
}

/** Sets the headers that a problem needs, for any format of the body. Logs an unexpected error. */
export function setProblemHeaders(request: FastifyRequest, reply: FastifyReply, thrown: Problem): void {
  if (thrown.code === 'internal_error') request.log.error({ err: thrown.cause ?? thrown }, 'unexpected error');
  // The error names the table, the column and the row, or the key, but no value.
  if (UNREADABLE.includes(thrown.code)) request.log.error({ err: thrown.cause }, 'personal data cannot be read');
  if (thrown.status === 401) reply.header('www-authenticate', 'Bearer'); // RFC 9110 §15.5.2 requires a challenge
  if (thrown.code === 'request_timeout') reply.header('connection', 'close'); // RFC 9110 §15.5.9
  for (const [name, value] of Object.entries(thrown.extras.headers ?? {})) reply.header(name, value);
  const { retryAfterSeconds } = thrown.extras;
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(Math.max(1, Math.ceil(retryAfterSeconds))));
}
