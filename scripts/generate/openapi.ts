// Owns: openapi.yaml, written from the endpoints and their zod schemas.
// Leaves to others: which problems and headers an endpoint answers with (responses.ts), and the examples (examples.ts).
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
import { PARAMETERS, TENANT_PARAMETERS, takesTenantHeaders } from './parameters.ts';
import {
  answerHeaders,
  COOKIE_HEADER,
  HEADERS,
  ProblemSchema,
  problemResponses,
  sharedResponses,
} from './responses.ts';

const TAGS = {
  'Sign-in': 'Ways in, out and onward: every sign-in answers with one shape.',
  Me: 'The signed-in user, their sessions and their organizations.',
  Organizations: 'Founding, reading and changing organizations; their subscription.',
  Members: 'The members of the current organization, their roles and their sessions.',
  Invitations: 'Inviting people into the current organization, and accepting.',
  Roles: 'System and custom roles, and the permissions that are known.',
  Checks: 'Questions of the form: may this user do that?',
  'Forward authentication': 'For proxies that ask about each request before they pass it on.',
  Clients: 'Service clients of the current organization.',
  OAuth: 'For clients that speak the standards: RFC 6749, 7009 and 7662.',
  Revocations: 'What must stop working before it expires, for services that verify tokens themselves.',
  Administration: 'For the administrators of the whole platform.',
  Discovery: 'What a service needs to verify access tokens; may be cached.',
  Operations: 'For load balancers and orchestrators.',
};
// The page that shows this document and its parts are no part of the API.
const UNDESCRIBED_TAG = 'Reference';

const DESCRIPTION = `Sign-in, sessions, organizations and permissions for a family of services.

Success is \`{ "data": … }\`, a list adds \`pagination\`. Failure is \`application/problem+json\` (RFC 9457) with a stable
\`code\`; no answer carries a stack, SQL or text of a library. A request that is not HTTP enough to reach an operation is
answered 400, 408, 414, 417 or 431, an unknown path 404, and a known path with another method 405 with \`Allow\`.
Bodies are JSON in UTF-8 of at most 64 KiB; unknown members are refused. Instants are UTC (RFC 3339), ids are UUIDs.
The OAuth endpoints take forms instead, and refuse in the form of RFC 6749 §5.2.`;

// Calls whose refresh token may come in the cookie instead of the body.
const TAKES_COOKIE = new Set(['refresh', 'logout', 'switchOrganization']);
const GIVES_COOKIE = new Set(['register', 'login', 'refresh', 'logout', 'switchOrganization']);
const TAKES_EITHER_TOKEN = 'logout';
const CAN_BE_REVALIDATED = 'getJwks';
const BODY_TYPES = { json: 'application/json', oauth: 'application/x-www-form-urlencoded' } as const;

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
    const response = { description: good ? 'Done.' : 'Not now.', headers: { ...answerHeaders(declared), ...cookie } };
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
  if (declared.id === CAN_BE_REVALIDATED) {
    responses['304'] = { description: 'It still has the ETag in If-None-Match.', headers: answerHeaders(declared) };
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
      return `Needs an access token${access.alsoSuspended ? '; that of a suspended organization will do' : ''}.`;
    case 'member':
      return `Needs an access token that acts for an organization${access.orClient ? ', a service client’s too' : ''}.`;
    case 'needs':
      return `Needs the permission \`${access.permission}\` in the current organization${access.orClient ? '; a service client may hold it, too' : ''}.`;
    case 'client':
      return `Needs the token of a service client that holds \`${access.permission}\`.`;
    case 'platform':
      return 'Needs the access token of a platform administrator, whom operators name by the CLI.';
  }
}

function operationOf(declared: Endpoint): ZodOpenApiOperationObject {
  const { access } = declared;
  const isOAuth = declared.wire === 'oauth';
  return {
    operationId: declared.id,
    tags: [declared.tag],
    summary: declared.summary,
    description: isOAuth ? WHO_MAY_CALL_OAUTH : whoMayCall(access),
    'x-access': accessText(access),
    security: securityOf(declared),
    ...(takesTenantHeaders(declared) ? { parameters: TENANT_PARAMETERS } : {}),
    ...requestOf(declared),
    responses: { ...(isOAuth ? oauthResponses : problemResponses)(declared), ...goodResponses(declared) },
  };
}

// The transforms of wire schemas tidy a value and keep its type: an answer has the shape that its input side describes.
const OPTIONS: CreateDocumentOptions = {
  allowEmptySchema: { transform: true },
  override({ jsonSchema, zodSchema, io }) {
    const { def } = zodSchema._zod;
    if (io === 'output' && def.type === 'pipe' && 'in' in def && 'out' in def) {
      const { $schema: _dialect, ...before } = z.toJSONSchema(def.in as z.ZodType, { io: 'input' });
      Object.assign(jsonSchema, before);
    }
    // A format says it all, to people and programs alike.
    if (jsonSchema.format === 'uuid' || jsonSchema.format === 'date-time') delete jsonSchema.pattern;
    if (jsonSchema.type === 'integer') describeInteger(jsonSchema);
  },
};

function describeInteger(schema: { [key: string]: unknown }): void {
  if (schema.minimum === Number.MIN_SAFE_INTEGER) delete schema.minimum;
  if (schema.maximum === Number.MAX_SAFE_INTEGER) delete schema.maximum;
  // A number in a query is matched as text, and described as the number it stands for.
  delete schema.pattern;
  if (schema.default !== undefined) schema.default = Number(schema.default);
}

/** The document as an object, in the order in which it is written. */
export function openApiDocument(endpoints: readonly Endpoint[]) {
  // A path of any depth cannot be described in OpenAPI: docs/forward-auth.md tells of it.
  const described = endpoints.filter(({ tag, url }) => tag !== UNDESCRIBED_TAG && !url.endsWith('*'));
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
              'The refresh token of a sign-in with `"transport": "cookie"`. `tenantry_refresh` on http://localhost.',
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

/** openapi.yaml. */
export function openApiYaml(endpoints: readonly Endpoint[]): string {
  const head = '# Written by `npm run generate` from the endpoints in src/. Do not edit.\n';
  return head + stringify(openApiDocument(endpoints), { lineWidth: 0, aliasDuplicateObjects: false });
}
