// Writes openapi.yaml from the endpoints and their zod schemas.
// Other files have the problems and headers of an endpoint (responses.ts) and the examples (examples.ts).
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import {
  type CreateDocumentOptions,
  createDocument,
  type ZodOpenApiOperationObject,
  type ZodOpenApiResponsesObject,
} from 'zod-openapi';
import type { Access, Endpoint } from '../../src/base/http/endpoint.ts';
import { accessText, ROOT } from './endpoints.ts';
import { EXAMPLES } from './examples.ts';
import { CLIENT_AUTHENTICATION, CLIENT_SECRET_BASIC, oauthResponses, WHO_MAY_CALL_OAUTH } from './oauth.ts';
import { PARAMETERS, sharedParameters } from './parameters.ts';
import {
  answerHeaders,
  COOKIE_HEADER,
  HEADERS,
  ProblemSchema,
  problemResponses,
  sharedResponses,
} from './responses.ts';

const TAGS = {
  'Sign-in': 'Register, sign in, refresh, switch organization and sign out. Every sign-in has the same form of answer.',
  Me: 'The signed-in user, their sessions and their organizations.',
  Organizations: 'Creating, reading, changing and deleting organizations, and their subscription.',
  Members: 'The members of the current organization, their roles and their sessions.',
  Invitations: 'Inviting people into the current organization, and accepting an invitation.',
  Roles: 'System and custom roles, and the list of known permissions.',
  Checks: 'Questions of the form "may this user do that?"',
  'Forward authentication': 'For proxies that ask about each request before they pass it on.',
  Clients: 'Service clients of the current organization.',
  OAuth: 'The endpoints of the standards RFC 6749, 7009 and 7662.',
  Revocations: 'Which tokens to refuse before they expire, for services that verify tokens themselves.',
  Administration: 'For platform administrators.',
  Discovery: 'What a service needs to verify access tokens. The answers may be cached.',
  Operations: 'For load balancers and orchestrators.',
};
// Pages for people and their files are not part of the API.
const UNDESCRIBED_TAGS = ['Reference', 'Pages'];

const DESCRIPTION = `Sign-in, sessions, organizations and permissions for a group of services.

A successful JSON answer under \`/api/v1\` is \`{ "data": … }\`, and a list also has \`pagination\`. An error is
\`application/problem+json\` (RFC 9457) with a stable \`code\`. No answer contains a stack trace, SQL or the message of a library.
A request that is not valid HTTP is answered with 400, 408, 414, 417 or 431, an unknown path with 404, and a known path with
another method with 405 and \`Allow\`.
Bodies are JSON in UTF-8 of at most 64 KiB. Unknown members are refused. Instants are UTC (RFC 3339), and ids are UUIDs.
The OAuth endpoints take forms instead of JSON, and their errors have the form of RFC 6749 §5.2.

Without an answer, a change may or may not have been made. After 500 or 503, \`detail\` says whether certainly nothing was
changed. A request with an \`Idempotency-Key\` can be repeated without a second effect. Many resources have an \`ETag\`.
With \`If-Match\` a change is only made to the state that you have read, and is otherwise refused with 412. A change of
something without an ETag refuses \`If-Match\` with tags.`;

// Calls that accept the refresh token in the cookie instead of the body.
const TAKES_COOKIE = new Set(['refresh', 'logout', 'switchOrganization']);
const GIVES_COOKIE = new Set(['register', 'login', 'refresh', 'logout', 'switchOrganization']);
const TAKES_EITHER_TOKEN = 'logout';
const CAN_BE_REVALIDATED = 'getJwks';
const FORM = 'application/x-www-form-urlencoded';
const BODY_TYPES = { json: 'application/json', oauth: FORM, page: FORM } as const;

function securityOf(declared: Endpoint): Record<string, string[]>[] {
  const bearer = { accessToken: [] };
  const cookie = TAKES_COOKIE.has(declared.id) ? [{ refreshCookie: [] }] : [];
  if (declared.id === TAKES_EITHER_TOKEN) return [...cookie, bearer, {}];
  if (declared.wire === 'oauth') return CLIENT_AUTHENTICATION;
  if (declared.access.kind === 'open') return [...cookie, {}];
  return [...cookie.map((scheme) => ({ ...bearer, ...scheme })), bearer];
}

function goodResponses(declared: Endpoint): ZodOpenApiResponsesObject {
  const responses: ZodOpenApiResponsesObject = {};
  const cookie = GIVES_COOKIE.has(declared.id) ? COOKIE_HEADER : {};
  for (const [status, reply] of Object.entries(declared.reply)) {
    const good = Number(status) < 400;
    const response = {
      description: good ? 'Done.' : 'Requests cannot be served now.',
      headers: { ...answerHeaders(declared), ...cookie },
    };
    const key = status as '200';
    if (reply === null) responses[key] = response;
    else if (reply instanceof z.ZodType) {
      const answer = EXAMPLES[declared.id]?.answer;
      const content = { schema: reply, ...(answer && good ? { example: answer } : {}) };
      responses[key] = { ...response, content: { 'application/json': content } };
    } else {
      const forms = reply.or ? [reply, reply.or] : [reply];
      const content = forms.map(({ mediaType, schema }) => [mediaType, { schema: schema ?? z.string() }]);
      responses[key] = { ...response, content: Object.fromEntries(content) };
    }
  }
  if (declared.id === CAN_BE_REVALIDATED || (declared.versioned !== undefined && declared.method === 'GET')) {
    responses['304'] = {
      description: 'Not changed: its ETag is the one in If-None-Match.',
      headers: answerHeaders(declared),
    };
  }
  return responses;
}

function requestOf(declared: Endpoint): Pick<ZodOpenApiOperationObject, 'requestBody' | 'requestParams'> {
  const { params, query, body } = declared;
  const isObject = (schema: z.ZodType | undefined) => (schema instanceof z.ZodObject ? schema : undefined);
  const path = isObject(params);
  const asked = isObject(query);
  const example = EXAMPLES[declared.id]?.request;
  return {
    ...(path || asked ? { requestParams: { ...(path ? { path } : {}), ...(asked ? { query: asked } : {}) } } : {}),
    ...(body
      ? {
          requestBody: {
            required: declared.bodyOptional !== true,
            content: { [BODY_TYPES[declared.wire]]: { schema: body, ...(example ? { example } : {}) } },
          },
        }
      : {}),
  };
}

function whoMayCall(access: Access): string {
  switch (access.kind) {
    case 'open':
      return 'Anybody may call it.';
    case 'signed_in':
      return `Needs an access token${access.alsoSuspended ? '. The token of a suspended organization is accepted' : ''}.`;
    case 'member':
      return `Needs an access token that acts for an organization${access.orClient ? ', of a user or a service client' : ''}.`;
    case 'needs':
      return `Needs the permission \`${access.permission}\` in the current organization${access.orClient ? '. A service client may also hold it' : ''}.`;
    case 'client':
      return `Needs the token of a service client that holds \`${access.permission}\`.`;
    case 'platform':
      return 'Needs the access token of a platform administrator. Operators appoint them on the command line.';
    case 'visitor':
    case 'browser':
      throw new TypeError('a page is not part of the API');
  }
}

function operationOf(declared: Endpoint): ZodOpenApiOperationObject {
  const { access } = declared;
  const isOAuth = declared.wire === 'oauth';
  const parameters = sharedParameters(declared);
  return {
    operationId: declared.id,
    tags: [declared.tag],
    summary: declared.summary,
    description: isOAuth ? WHO_MAY_CALL_OAUTH : whoMayCall(access),
    'x-access': accessText(access),
    security: securityOf(declared),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...requestOf(declared),
    responses: { ...(isOAuth ? oauthResponses : problemResponses)(declared), ...goodResponses(declared) },
  };
}

// Transforms of wire schemas normalize a value and keep its type. So the input side of a schema describes answers too.
const OPTIONS: CreateDocumentOptions = {
  allowEmptySchema: { transform: true },
  override({ jsonSchema, zodSchema, io }) {
    const { def } = zodSchema._zod;
    if (io === 'output' && def.type === 'pipe' && 'in' in def && 'out' in def) {
      const { $schema: _dialect, ...before } = z.toJSONSchema(def.in as z.ZodType, { io: 'input' });
      Object.assign(jsonSchema, before);
    }
    // The pattern only repeats the format.
    if (jsonSchema.format === 'uuid' || jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    if (jsonSchema.type === 'integer') describeInteger(jsonSchema);
  },
};

function describeInteger(schema: { [key: string]: unknown }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  // A number in a query is matched as text, but described as a number.
  delete schema.pattern;
  if (schema.default !== undefined) schema.default = Number(schema.default);
}

/** Returns the document as an object, in the order in which it is written. */
export function openApiDocument(endpoints: readonly Endpoint[]) {
  // OpenAPI cannot describe a path of any depth. docs/forward-auth.md describes that endpoint.
  const described = endpoints.filter(({ tag, url }) => !UNDESCRIBED_TAGS.includes(tag) && !url.endsWith('*'));
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const declared of described) {
    const path = declared.url.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [declared.method.toLowerCase()]: operationOf(declared) };
  }
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  return createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Tenantry',
        version,
        description: DESCRIPTION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'The service that serves this document.' }],
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      paths,
      components: {
        securitySchemes: {
          accessToken: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'The access token of a sign-in or refresh (RS256, RFC 9068).',
          },
          clientSecretBasic: CLIENT_SECRET_BASIC,
          refreshCookie: {
            type: 'apiKey',
            in: 'cookie',
            name: '__Host-tenantry_refresh',
            description:
              'The refresh token of a sign-in with `"transport": "cookie"`. On http://localhost, the cookie is named `tenantry_refresh`.',
          },
        },
        parameters: PARAMETERS,
        headers: HEADERS,
        responses: sharedResponses(described.filter(({ wire }) => wire === 'json')),
        schemas: { Problem: ProblemSchema },
      },
    },
    OPTIONS,
  );
}

/** Returns the text of openapi.yaml. */
export function openApiYaml(endpoints: readonly Endpoint[]): string {
  const head = '# Written by `npm run generate` from the endpoints in src/. Do not edit.\n';
  return head + stringify(openApiDocument(endpoints), { lineWidth: 0, aliasDuplicateObjects: false });
}
