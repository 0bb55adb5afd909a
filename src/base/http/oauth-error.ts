// Answers what goes wrong at an OAuth endpoint in the form of RFC 6749 §5.2, whichever layer it is raised in.
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OAuthError, type OAuthErrorCode } from '../errors/oauth.ts';
import { type Problem, problem } from '../errors/problem.ts';
import type { Endpoint } from './endpoint.ts';
import { isSlowBody, setProblemHeaders, type Translate, toProblem } from './problems.ts';
import { type DrawLimit, networkOf } from './rate-limit.ts';

/** RFC 7235 §2.2; RFC 6749 §5.2 wants the scheme that the client tried, RFC 9110 §15.5.2 a challenge with every 401. */
const CHALLENGE = 'Basic realm="tenantry"';

/** The characters of error_description (RFC 6749 §5.2): ASCII without control characters, quotation mark and backslash. */
function describable(text: string): string {
  return text
    .replaceAll('"', "'")
    .replaceAll('\\', '/')
    .replaceAll('’', "'")
    .replace(/[^\x20-\x7e]/g, '?');
}

/** What a problem of the layers below is called in OAuth. */
function oauthErrorOf(thrown: Problem): OAuthError {
  const { status } = thrown;
  if (status === 429 || status === 503) return new OAuthError('temporarily_unavailable', thrown.message, status);
  if (status >= 500) return new OAuthError('server_error');
  const [issue] = thrown.extras.issues ?? [];
  const description = issue ? `${issue.path} ${issue.message}`.trim() : thrown.message;
  return new OAuthError('invalid_request', description, [405, 408, 413, 415].includes(status) ? status : 400);
}

/** The wire of the endpoint that a request has reached. */
export function wireOf({ routeOptions }: FastifyRequest): Endpoint['wire'] | undefined {
  return (routeOptions.config as { wire?: Endpoint['wire'] } | undefined)?.wire;
}

/** Whether a request is for an OAuth endpoint, be it by a method that the endpoint does not take. */
export function oauthRequests(endpoints: readonly Endpoint[]): (request: FastifyRequest) => boolean {
  const paths = new Set(endpoints.filter(({ wire }) => wire === 'oauth').map(({ url }) => url));
  return (request) => wireOf(request) === 'oauth' || paths.has(request.url.split('?', 1)[0] ?? '');
}

// What somebody can be refused who has not proven to be a client: it is counted, as guessing tokens is.
const OF_STRANGERS: ReadonlySet<OAuthErrorCode> = new Set<OAuthErrorCode>([
  'invalid_request',
  'invalid_client',
  'invalid_scope',
  'unsupported_grant_type',
]);

/** Sends whatever was thrown. Past the network's allowance of refusals it is told to wait instead. */
export async function sendOAuthError(
  request: FastifyRequest,
  reply: FastifyReply,
  error: unknown,
  deps: { readonly translate: Translate; readonly draw: DrawLimit },
): Promise<FastifyReply> {
  let thrown = isSlowBody(error, request) ? problem('request_timeout') : toOAuth(error, deps.translate);
  // An unknown method has been counted as an unknown path is.
  if (OF_STRANGERS.has(named(thrown).code) && thrown.status !== 405) {
    try {
      await deps.draw(request, reply, 'other', `ip ${networkOf(request.ip)}`);
    } catch (exceeded) {
      thrown = toProblem(exceeded, deps.translate);
    }
  }
  if (!(thrown instanceof OAuthError)) setProblemHeaders(request, reply, thrown);
  const { code, status, message } = named(thrown);
  if (status === 401) reply.header('www-authenticate', CHALLENGE);
  return reply
    .code(status)
    .header('pragma', 'no-cache') // RFC 6749 §5.1, beside the Cache-Control of every answer
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
