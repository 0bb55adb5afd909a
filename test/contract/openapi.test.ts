// openapi.yaml matches the code, and matches the answers to real requests to every operation.
import { readFileSync } from 'node:fs';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { staleFiles } from '../../scripts/generate/files.ts';
import { grantPlatformAdministrator } from '../../src/admin/administrators/administrators.ts';
import { keyPair } from '../access/client-authentication/signing.ts';
import type { CallOptions, Reply } from '../support/client.ts';
import { createDatabase, type TestDatabase } from '../support/database.ts';
import { type Account, newAccount, newProvenAccount } from '../support/fixtures/accounts.ts';
import { seedMembership } from '../support/fixtures/people.ts';
import { openMailbox } from '../support/servers/mailbox.ts';
import { openService } from '../support/service.ts';
import { type Call, walkEmail, walkInvitations, walkLeaving, walkProof } from './leaving-walk.ts';
import { walkOAuth } from './oauth-walk.ts';
import { NEW_PASSWORD, walkForgotten, walkOwnSessions, walkPassword } from './password-walk.ts';

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

const OPTIONAL = /Set-Cookie|Idempotency-Replayed|409 Retry-After/;
const text = readFileSync(new URL('../../openapi.yaml', import.meta.url), 'utf8');
const document = parse(text) as Document;
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })),
);

/** Returns a validator for a schema of the document, including its references to the components. */
function validator(schema: JsonSchema): z.ZodType {
  const whole = { $defs: document.components.schemas, allOf: [schema] };
  return z.fromJSONSchema(JSON.parse(JSON.stringify(whole).replaceAll('#/components/schemas/', '#/$defs/')));
}

function responseOf(operation: Operation, status: number): Described | undefined {
  const response = operation.responses[String(status)];
  const name = response?.$ref?.replace('#/components/responses/', '');
  return name === undefined ? response : document.components.responses[name];
}

t.test('openapi.yaml and the other generated files match the code', async (t) => {
  t.same(staleFiles(), [], 'run `npm run generate` and commit what it writes');
});

t.test('every example matches its schema', async (t) => {
  const shown = operations.flatMap((operation) => Object.values(operation.requestBody?.content ?? {}));
  const examples = shown.filter(({ example }) => example !== undefined);
  t.ok(examples.length >= 5, 'register, login, refresh and the checks have an example');
  for (const { schema, example } of examples) t.ok(validator(schema).safeParse(example).success);
  t.notOk(validator(examples[0]?.schema ?? {}).safeParse({ email: 'ada@example.com' }).success, 'fields are missing');
  const answers = operations.flatMap(({ responses }) => Object.values(responses['200']?.content ?? {}));
  const [signedIn] = answers.filter(({ example }) => example !== undefined);
  const example = signedIn?.example as { data: object };
  const fits = (data: object) => validator(signedIn?.schema ?? {}).safeParse({ data }).success;
  t.ok(fits(example.data), 'an answer matches');
  t.notOk(fits({ ...example.data, user: {} }), 'references are followed');
  t.notOk(fits({ ...example.data, passwordHash: 'x' }), 'an additional field does not match');
});

t.test('every operation answers as the document says, on a walk through all of them', async (t) => {
  const database = await createDatabase(t);
  const mailbox = await openMailbox(t);
  const { api, app } = await openService(t, database, {
    SMTP_URL: mailbox.url,
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
    const certain = Object.keys(response.headers ?? {}).filter((name) => !OPTIONAL.test(`${reply.status} ${name}`));
    for (const name of certain) t.ok(reply.headers.has(name), `${answer} has ${name}`);
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
  await walkProof(call, token, () => mailbox.nextProof(credentials.email));
  await call('refresh', { refreshToken: 'x' });
  await call('refresh');
  await call('getMe', undefined, { token });
  await call('getMe');
  await call('getMe', undefined, { token, path: '/me?unknown=1' });
  await call('changeMe', { name: 'Ada Lovelace' }, { token });
  await call('changeMe', { name: '' }, { token });
  const question = { resource: 'deals', action: 'write', scope: { projectId: 'p1' }, explain: true };
  const nobody = { ...question, userId: '019aa3f0-5c00-7a10-8b2f-3d6f1c2a4e01' };
  await call('checkPermission', question, { token });
  await call('checkPermission', { resource: 'deals', action: '*' }, { token });
  await call('checkPermissions', { checks: [question, nobody] }, { token });
  await call('listMyOrganizations', undefined, { token });
  await call('createOrganization', { name: 'Second' }, { token });
  await call('createOrganization', { name: 'Second', slug: 'acme' }, { token });
  await call('createTenant', { name: 'Third', slug: 'third-one' }, { token });
  await call('switchOrganization', { organization: 'third-one' }, { token });
  await call('switchOrganization', { organization: 'unknown' }, { token });
  await walkOwnSessions(call, token);

  await call('getOrganization', undefined, { token });
  await call('getOrganization', undefined, { token, headers: { 'x-tenant-id': 'unknown' } });
  await call('getOrganization', undefined, { token, headers: { 'x-tenant-id': '!' } });
  await call('changeOrganization', { settings: { theme: 'dark' } }, { token });
  await call('changeOrganization', { slug: 'other' }, { token });
  await call('getSubscription', undefined, { token });
  await call('listOrganizations', undefined, { token });
  await grantPlatformAdministrator(app.parts, credentials.email);
  const found = await call('listOrganizations', undefined, { token, path: '/admin/organizations?q=third' });
  const place = `/admin/organizations/${found.body.data[0].id}`;
  await call('getAnyOrganization', undefined, { token, path: place });
  await call('getAnyOrganization', undefined, { token, path: '/admin/organizations/1' });
  await call('suspendOrganization', undefined, { token, path: `${place}/suspend` });
  await call('activateOrganization', undefined, { token, path: `${place}/activate` });
  await walkMembers(call, database);
  await walkRoles(call);
  await walkLeaving(call);
  await walkInvitations(call, await newProvenAccount(api, database), mailbox);
  await walkEmail(call, await newProvenAccount(api, database), mailbox);
  await walkClients(call, await newAccount(api));
  await walkOAuth(call, database);
  await walkForgotten(call, api, app.parts.outbox, mailbox);

  const changed = await walkPassword(call, credentials.password, token);
  const acme = (await call('login', { ...credentials, password: NEW_PASSWORD, organization: 'acme' })).body.data
    .accessToken;
  await call('deleteOrganization', undefined, { token: acme });
  await call('getOrganization', undefined, { token: acme });

  await call('logout', undefined, { token: changed });
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

async function walkMembers(call: Call, database: TestDatabase): Promise<void> {
  const password = 'correct horse battery';
  const [grace, hedy] = [
    (await call('register', { email: 'grace@example.com', password, name: 'Grace', organizationName: 'Navy' })).body
      .data,
    (await call('register', { email: 'hedy@example.com', password, name: 'Hedy' })).body.data,
  ];
  const token: string = grace.accessToken;
  const path = `/users/${hedy.user.id}`;
  const join = () =>
    seedMembership(database, { organizationId: grace.organization.id, userId: hedy.user.id, role: 'agent' });
  const signIn = () => call('login', { email: 'hedy@example.com', password, organization: grace.organization.slug });
  await join();
  const { sessionId } = (await signIn()).body.data;
  await call('listMembers', undefined, { token, path: '/users?q=hed&role=agent' });
  await call('listMembers', undefined, { token, path: '/users?role=!' });
  await call('listMembers', undefined, { token: hedy.accessToken });
  await call('getMember', undefined, { token, path });
  await call('getMember', undefined, { token, path: `/users/${sessionId}` });
  await call('changeMember', { roles: [{ role: 'viewer', scope: { projectId: 'p1' } }] }, { token, path });
  await call('changeMember', {}, { token, path });
  await call('changeMember', { status: 'suspended' }, { token, path: `/users/${grace.user.id}` });
  await call('listMemberSessions', undefined, { token, path: `${path}/sessions` });
  await call('endMemberSession', undefined, { token, path: `${path}/sessions/${sessionId}` });
  await call('endMemberSession', undefined, { token, path: `${path}/sessions/${sessionId}` });
  await call('endMemberSessions', undefined, { token, path: `${path}/sessions` });
  await call('removeMember', undefined, { token, path });
  await call('removeMember', undefined, { token, path });
  await join();
  const left = `/me/organizations/${grace.organization.id}`;
  await call('leaveOrganization', undefined, { token: (await signIn()).body.data.accessToken, path: left });
  await call('leaveOrganization', undefined, { token, path: left });
}

async function walkRoles(call: Call): Promise<void> {
  const body = {
    email: 'radia@example.com',
    password: 'correct horse battery',
    name: 'Radia',
    organizationName: 'Spanning',
  };
  const token: string = (await call('register', body)).body.data.accessToken;
  const role = { name: 'closer', level: 30, permissions: ['deals:read'] };
  const path = `/roles/${(await call('createRole', role, { token })).body.data.id}`;
  for (const wrong of [role, { ...role, level: 101 }, {}]) await call('createRole', wrong, { token });
  const roles = (await call('listRoles', undefined, { token })).body.data as { id: string }[];
  for (const at of [path, `/roles/${roles[0]?.id}`]) {
    await call('getRole', undefined, { token, path: at });
    await call('changeRole', { name: 'finisher' }, { token, path: at });
    await call('deleteRole', undefined, { token, path: at });
  }
  for (const id of ['getRole', 'deleteRole']) await call(id, undefined, { token, path });
  await call('changeRole', { level: 1 }, { token, path });
  await call('listPermissions', undefined, { token });
}

async function walkClients(call: Call, { accessToken: token }: Account): Promise<void> {
  const client = { name: 'exporter', permissions: ['deals:read'] };
  const signing = { ...client, authentication: 'private_key_jwt', jwks: { keys: [keyPair('P-256').jwk] } };
  const [byKeys, bySecret] = [
    (await call('createClient', signing, { token })).body.data.id,
    (await call('createClient', client, { token })).body.data.id,
  ];
  await call('createClient', { ...client, jwks: {} }, { token });
  await call('listClients', undefined, { token });
  for (const id of [byKeys, bySecret]) {
    const path = `/clients/${id}`;
    await call('getClient', undefined, { token, path });
    await call('changeClient', { status: 'disabled', audience: 'warehouse' }, { token, path });
    await call('changeClient', { secret: 'mine' }, { token, path });
    await call('rotateClientSecret', { overlapSeconds: 60 }, { token, path: `${path}/secret` });
    await call('endClientOverlap', undefined, { token, path: `${path}/secret` });
    for (const _ of [1, 2]) await call('deleteClient', undefined, { token, path });
    await call('getClient', undefined, { token, path });
  }
}

t.test('the document says who may call each operation', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const account = await newAccount(api);
  for (const { operationId, method, path, security } of operations) {
    const isOpen = security.some((schemes) => Object.keys(schemes).length === 0 || !('accessToken' in schemes));
    const reply = await api.call(method, path.replace('{id}', account.sessionId), method === 'POST' ? {} : undefined);
    t.equal(reply.code === 'unauthenticated', !isOpen, `${operationId} without a token`);
  }
});
