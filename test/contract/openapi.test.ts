// openapi.yaml is the truth: it is what the code says, and what a real walk through every operation is answered.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { staleFiles } from '../../scripts/generate/files.ts';
import { type CallOptions, newAccount, type Reply } from '../support/client.ts';
import { createDatabase } from '../support/database.ts';
import { openService } from '../support/service.ts';

interface Described {
  readonly description?: string;
  readonly headers?: Record<string, unknown>;
  readonly content?: Record<string, { schema: JsonSchema; example?: unknown }>;
  readonly $ref?: string;
}
type JsonSchema = Parameters<typeof z.fromJSONSchema>[0];
interface Operation {
  readonly operationId: string;
  readonly security: readonly Record<string, unknown>[];
  readonly requestBody?: { content: Record<string, { schema: JsonSchema; example?: unknown }> };
  readonly responses: Record<string, Described>;
}
interface Document {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { responses: Record<string, Described>; schemas: Record<string, JsonSchema> };
}

const text = readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8');
const document = parse(text) as Document;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
);

/** A validator for a schema of the document, with its references to the components. */
function validator(schema: JsonSchema): z.ZodType {
  const whole = { $defs: document.components.schemas, allOf: [schema] };
  return z.fromJSONSchema(JSON.parse(JSON.stringify(whole).replaceAll('#/components/schemas/', '#/$defs/')));
}

function responseOf(operation: Operation, status: number): Described | undefined {
  const response = operation.responses[String(status)];
  const name = response?.$ref?.replace('#/components/responses/', '');
  return name === undefined ? response : document.components.responses[name];
}

t.test('openapi.yaml and the other generated files are what the code says', async (t) => {
  t.same(staleFiles(), [], 'run `npm run generate` and commit what it writes');
});

t.test('every example fits its schema', async (t) => {
  const shown = operations.flatMap((operation) => Object.values(operation.requestBody?.content ?? {}));
  const examples = shown.filter(({ example }) => example !== undefined);
  t.equal(examples.length, 3, 'register, login and refresh show one');
  for (const { schema, example } of examples) t.ok(validator(schema).safeParse(example).success);
  t.notOk(validator(examples[0]?.schema ?? {}).safeParse({ email: 'ada@example.com' }).success, 'less does not fit');
  const answers = operations.flatMap(({ responses }) => Object.values(responses['200']?.content ?? {}));
  const [signedIn] = answers.filter(({ example }) => example !== undefined);
  const example = signedIn?.example as { data: object };
  const fits = (data: object) => validator(signedIn?.schema ?? {}).safeParse({ data }).success;
  t.ok(fits(example.data), 'an answer fits');
  t.notOk(fits({ ...example.data, user: {} }), 'what is referred to is looked into');
  t.notOk(fits({ ...example.data, passwordHash: 'x' }), 'more does not fit');
});

t.test('every operation answers as the document says, on a walk through all of them', async (t) => {
  const { api } = await openService(t, await createDatabase(t), {
    RATE_LIMIT_ENABLED: 'true',
    RATE_LIMIT_SIGN_IN: '1000',
  });
  const walked = new Set<string>();

  async function call(id: string, body?: unknown, options: CallOptions & { path?: string } = {}): Promise<Reply> {
    const operation = operations.find(({ operationId }) => operationId === id);
    if (!operation) throw new Error(`${id} is not described`);
    const reply = await api.call(operation.method, options.path ?? operation.path, body, options);
    const response = responseOf(operation, reply.status);
    const answer = `${id} ${reply.status} ${reply.code ?? ''}`;
    t.ok(response, `${answer} is described`);
    if (!response) return reply;
    for (const name of Object.keys(response.headers ?? {})) {
      if (name !== 'Set-Cookie') t.ok(reply.headers.has(name), `${answer} has ${name}`);
    }
    const mediaType = reply.headers.get('content-type')?.split(';')[0] ?? '';
    const content = response.content?.[mediaType];
    if (!content) t.equal(reply.text, '', `${answer} has no body`);
    else t.same(validator(content.schema).safeParse(reply.body).error?.issues ?? [], [], `${answer} fits its schema`);
    if (reply.code) t.match(response.description, `\`${reply.code}\``, `${answer} is a described problem`);
    if (reply.status < 400) walked.add(id);
    return reply;
  }

  await call('register', {
    email: 'ada@example.com',
    password: 'correct horse battery',
    name: 'Ada',
    organizationName: 'Acme',
  });
  await call('register', { email: 'ada@example.com', password: 'correct horse battery', name: 'Ada' });
  await call('register', { email: 'eve@example.com', password: 'correct horse battery', name: 'Eve' });
  await call('register', { email: 'not an address' });
  const credentials = { email: 'ada@example.com', password: 'correct horse battery' };
  const { data } = (await call('login', credentials)).body;
  await call('login', { ...credentials, transport: 'cookie' });
  await call('login', { ...credentials, password: 'wrong' });
  await call('login', { ...credentials, organization: 'unknown' });
  await call('login', undefined, { raw: '{', headers: { 'content-type': 'application/json' } });
  await call('login', undefined, { raw: 'x', headers: { 'content-type': 'text/plain' } });
  await call('login', { ...credentials, password: 'x'.repeat(70_000) });
  const token: string = (await call('refresh', { refreshToken: data.refreshToken })).body.data.accessToken;
  await call('refresh', { refreshToken: 'x' });
  await call('refresh');

  await call('getMe', undefined, { token });
  await call('getMe');
  await call('getMe', undefined, { token, path: '/me?unknown=1' });
  await call('changeMe', { name: 'Ada Lovelace' }, { token });
  await call('changeMe', { name: '' }, { token });
  await call('listMyOrganizations', undefined, { token });
  await call('createOrganization', { name: 'Second' }, { token });
  await call('createOrganization', { name: 'Second', slug: 'acme' }, { token });
  await call('createTenant', { name: 'Third', slug: 'third-one' }, { token });
  await call('switchOrganization', { organization: 'third-one' }, { token });
  await call('switchOrganization', { organization: 'unknown' }, { token });
  const sessions = await call('listMySessions', undefined, { token });
  const other = sessions.body.data.find((session: { current: boolean }) => !session.current);
  await call('endMySession', undefined, { token, path: `/me/sessions/${other.id}` });
  await call('endMySession', undefined, { token, path: `/me/sessions/${other.id}` });
  await call('endMySession', undefined, { token, path: '/me/sessions/1' });
  await call('endMyOtherSessions', undefined, { token });
  await call('logout', undefined, { token });
  await call('getMe', undefined, { token });

  const jwks = await call('getJwks');
  await call('getJwks', undefined, { headers: { 'if-none-match': jwks.headers.get('etag') ?? '' } });
  await call('getMetadata');
  await call('getHealth');
  await call('getReadiness');
  t.strictSame(
    [...walked].sort(),
    operations.map(({ operationId }) => operationId).sort(),
    'every operation was walked',
  );
});

t.test('the document says who may call what', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const account = await newAccount(api);
  for (const { operationId, method, path, security } of operations) {
    const isOpen = security.some((schemes) => Object.keys(schemes).length === 0 || !('accessToken' in schemes));
    const reply = await api.call(method, path.replace('{id}', account.sessionId), method === 'POST' ? {} : undefined);
    t.equal(reply.code === 'unauthenticated', !isOpen, `${operationId} without a token`);
  }
});
