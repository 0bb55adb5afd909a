// Answers the errors of requests to OAuth endpoints in the form of RFC 6749 §5.2, whichever layer raised them. Only a
// request that the framework itself cannot read gets a problem.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OAuthError, type OAuthErrorCode } from '../errors/oauth.ts';
import type { Problem } from '../errors/problem.ts';
import type { Endpoint } from './endpoint.ts';
import { setProblemHeaders, type Translate, toProblem, withOutcome } from './problems.ts';
import { type DrawLimit, networkOf } from './rate-limit.ts';

/**
 * RFC 9110 §15.5.2 requires a challenge with every 401 answer. RFC 6749 §5.2 requires the scheme that the client used.
 */
const CHALLENGE = 'Basic realm="tenantry"';

/**
 * Keeps the characters of error_description (RFC 6749 §5.2): ASCII without control characters, quotes and backslashes.
 */
function describable(text: string): string {
  return text
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
    .replaceAll('’', "'")
    .replace(/[^\x20-\x7e]/g, '?');
}

/** Converts a problem that another layer raised into an OAuth error. */
function oauthErrorOf(thrown: Problem): OAuthError {
  const { status } = thrown;
  if (status === 429 || status === 503) return new OAuthError('temporarily_unavailable', thrown.message, status);
  if (status >= 500) return new OAuthError('server_error');
  const [issue] = thrown.extras.issues ?? [];
  const description = issue ? `${issue.path} ${issue.message}`.trim() : thrown.message;
  return new OAuthError('invalid_request', description, [405, 408, 413, 415].includes(status) ? status : 400);
}

/** Returns the wire format of the endpoint that the request reached. */
export function wireOf({ routeOptions }: FastifyRequest): Endpoint['wire'] | undefined {
  return (routeOptions.config as { wire?: Endpoint['wire'] } | undefined)?.wire;
}

/**
 * Returns a function that says whether a request is for an OAuth endpoint, even if the endpoint does not support its
 * method.
 */
export function oauthRequests(endpoints: readonly Endpoint[]): (request: FastifyRequest) => boolean {
  const paths = new Set(endpoints.filter(({ wire }) => wire === 'oauth').map(({ url }) => url));
  return (request) => wireOf(request) === 'oauth' || paths.has(request.url.split('?', 1)[0] ?? '');
}

// The refusals that a sender can get without client authentication. They are counted in the same way as guesses of
// tokens.
const UNAUTHENTICATED_CODES: ReadonlySet<OAuthErrorCode> = new Set<OAuthErrorCode>([
  'invalid_request',
  'invalid_client',
  'invalid_scope',
  'unsupported_grant_type',
]);

/**
 * Sends the OAuth error for any thrown error. When the network has used up its allowance, sends a 429 answer instead.
 */
export async function sendOAuthError(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  deps: { readonly translate: Translate; readonly draw: DrawLimit },
): Promise<FastifyReply> {
  let thrown = toOAuth(error, deps.translate);
  // A request with an unknown method has already been counted, like a request to an unknown path.
  if (UNAUTHENTICATED_CODES.has(named(thrown).code) && thrown.status !== 405) {
    try {
      await deps.draw(request, reply, 'other', `ip ${networkOf(request.ip)}`);
    } catch (exceeded) {
      thrown = toProblem(exceeded, deps.translate);
    }
  }
  if (!(thrown instanceof OAuthError)) thrown = withOutcome(thrown, request);
  if (!(thrown instanceof OAuthError)) setProblemHeaders(request, reply, thrown);
  const { code, status, message } = named(thrown);
  if (status === 401) reply.header('www-authenticate', CHALLENGE);
  return reply
    .code(status)
    .header('pragma', 'no-cache') // RFC 6749 §5.1, in addition to the Cache-Control of every answer
    .type('application/json; charset=utf-8')
    .serializer(JSON.stringify)
    .send({ error: code, error_description: describable(message) });
}

function toOAuth(error: unknown, translate: Translate): Problem | OAuthError {
  return error instanceof OAuthError ? error : toProblem(error, translate);
}

function named(thrown: Problem | OAuthError): OAuthError {
  return thrown instanceof OAuthError ? thrown : oauthErrorOf(thrown);
}
