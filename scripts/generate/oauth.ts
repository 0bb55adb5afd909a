// The parts of the reference that only OAuth endpoints have: the authentication of clients, and the errors of RFC 6749
// §5.2. Other files have the operations (openapi.ts) and the codes (src/base/errors/oauth.ts).
import { z } from 'zod';
import type { ZodOpenApiResponseObject, ZodOpenApiResponsesObject } from 'zod-openapi';
import { OAUTH_ERRORS, type OAuthErrorCode } from '../../src/base/errors/oauth.ts';
import type { Endpoint } from '../../src/base/http/endpoint.ts';
import { connectionResponses, ProblemSchema } from './responses.ts';

const OAuthErrorSchema = z
  .strictObject({
    error: z.enum(Object.keys(OAUTH_ERRORS)).meta({ description: 'For programs: decide by this.' }),
    error_description: z.string().meta({ description: 'For people: what to do next.' }),
  })
  .meta({ id: 'OAuthError', description: 'RFC 6749 §5.2.' });

/** HTTP Basic, or no authentication in a header. The other methods send their proof in the body. */
export const CLIENT_AUTHENTICATION = [{ clientSecretBasic: [] }, {}];

export const CLIENT_SECRET_BASIC = {
  type: 'http',
  scheme: 'basic',
  description: 'client_secret_basic: id and secret of a service client, each form-encoded first (RFC 6749 §2.3.1).',
} as const;

export const WHO_MAY_CALL_OAUTH =
  'For service clients, which authenticate by client_secret_basic, client_secret_post or private_key_jwt.';

const id = { 'X-Request-ID': { $ref: '#/components/headers/RequestId' } } as const;
const wait = { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } as const;

function response(codes: readonly OAuthErrorCode[], headers: object = id): ZodOpenApiResponseObject {
  return {
    description: codes.map((code) => `\`${code}\`: ${OAUTH_ERRORS[code].description}`).join(' '),
    headers: headers as typeof id,
    content: { 'application/json': { schema: OAuthErrorSchema } },
  };
}

/** Returns the refusals of an OAuth endpoint, by status. */
export function oauthResponses({ oauthErrors = [] }: Endpoint): ZodOpenApiResponsesObject {
  const challenged = {
    ...id,
    'WWW-Authenticate': { description: 'A challenge of HTTP Basic.', schema: { type: 'string' } },
  };
  const late = response(['invalid_request']);
  return {
    400: response(oauthErrors.filter((code) => OAUTH_ERRORS[code].status === 400)),
    401: response(['invalid_client'], challenged),
    ...connectionResponses(),
    // A late head is answered with a problem, and a late body with an OAuth error.
    408: {
      ...late,
      content: { ...late.content, 'application/problem+json': { schema: ProblemSchema } },
    },
    413: response(['invalid_request']),
    415: response(['invalid_request']),
    429: response(['temporarily_unavailable'], { ...id, ...wait }),
    500: response(['server_error']),
    503: response(['temporarily_unavailable'], { ...id, ...wait }),
  };
}
