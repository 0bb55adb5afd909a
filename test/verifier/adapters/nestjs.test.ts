// The NestJS example, compiled and run as a separate application with the package installed. This also shows that the
// published subpaths load, and that their types need nothing that the application does not have.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type DynamicModule, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import t, { type Test } from 'tap';
import type { Verifier } from '../../../src/verifier/core/contract.ts';
import type { VerifierOptions } from '../../../src/verifier/core/options.ts';
import { sharedKey } from '../../support/issuer.ts';
import { bearer, get } from './http-cases.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

interface Application {
  readonly TenantryModule: { forRoot(verifier: Verifier): DynamicModule };
  readonly controllers: readonly Type[];
  readonly RequirePermission: (...permissions: string[]) => ClassDecorator & MethodDecorator;
  readonly createTestIssuer: typeof import('../../../src/verifier/testkit/testkit.ts').createTestIssuer;
}

const folder = mkdtempSync(join(tmpdir(), 'tenantry-nestjs-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

// Starts the compiler binary. The script that normally starts it does not work with the loader that tap adds.
const { default: getExePath } = await import(`${ROOT}node_modules/typescript/lib/getExePath.js`);

function compile(project: string): void {
  try {
    execFileSync(getExePath(), ['-p', project], { cwd: folder, encoding: 'utf8' });
  } catch (error) {
    throw new Error((error as { stdout: string }).stdout);
  }
}

/** Installs the published form of the package and the dependencies of the example into the application. */
function install(): void {
  const installed = join(folder, 'node_modules', 'tenantry');
  mkdirSync(installed, { recursive: true });
  cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'));
  const entries = ['index', 'testkit/testkit', 'adapters/fastify', 'adapters/express', 'adapters/websocket'];
  const files = entries.map((name) => `${ROOT}src/verifier/${name}.ts`);
  const compilerOptions = {
    noEmit: false,
    declaration: true,
    rootDir: `${ROOT}src`,
    outDir: join(installed, 'dist'),
    typeRoots: [`${ROOT}node_modules/@types`],
  };
  const project = join(folder, 'tsconfig.package.json');
  writeFileSync(project, JSON.stringify({ extends: `${ROOT}tsconfig.json`, compilerOptions, include: [], files }));
  compile(project);
  mkdirSync(join(folder, 'node_modules', '@types'));
  for (const name of ['@nestjs', 'reflect-metadata', 'rxjs', '@types/node', 'undici-types']) {
    symlinkSync(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name));
  }
}

async function build(): Promise<Application> {
  install();
  cpSync(join(ROOT, 'examples', 'nestjs'), folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ type: 'module' }));
  compile(join(folder, 'tsconfig.json'));
  const load = (path: string) => import(pathToFileURL(join(folder, path)).href);
  const { TenantryModule } = await load('dist/tenantry.module.js');
  const { DealsController, MeController } = await load('dist/deals.controller.js');
  const { RequirePermission } = await load('dist/decorators.js');
  const { createTestIssuer } = await load('node_modules/tenantry/dist/verifier/testkit/testkit.js');
  return { TenantryModule, controllers: [DealsController, MeController], RequirePermission, createTestIssuer };
}

const { TenantryModule, controllers, RequirePermission, createTestIssuer } = await build();

async function begin(t: Test, options: Partial<VerifierOptions> = {}) {
  const issuer = createTestIssuer({ privateKey: sharedKey() });
  class AppModule {}
  Module({ imports: [TenantryModule.forRoot(issuer.verifier(options))], controllers: [...controllers] })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: false });
  await app.listen(0, '127.0.0.1');
  t.teardown(() => app.close());
  return { issuer, port: (app.getHttpServer().address() as AddressInfo).port };
}

// This program is compiled without skipLibCheck, and without Fastify, Express, ws and Socket.IO. The deliberate errors
// show that the types are known.
const CONSUMER = `
import type { VerifiedPrincipal, Verifier } from 'tenantry/verifier';
import { createTestIssuer } from 'tenantry/verifier/testkit';
import { authenticate, requirePermission } from 'tenantry/verifier/express';
import { principalOf, tenantry } from 'tenantry/verifier/fastify';
import { closeWhenRevoked, socketIoMiddleware } from 'tenantry/verifier/websocket';
const verifier: Verifier = createTestIssuer().verifier();
export const parts = [authenticate(verifier), requirePermission('a:b'), tenantry(verifier), socketIoMiddleware(verifier)];
export const guard = closeWhenRevoked;
export const seconds = (principal: VerifiedPrincipal): number => principal.expiresAt;
// @ts-expect-error
export const text: string = principalOf({});
// @ts-expect-error
authenticate(verifier, { optional: 'yes' });
`;

t.test('the published types are complete and need only the types of Node', async () => {
  const place = join(folder, 'consumer');
  mkdirSync(place);
  writeFileSync(join(place, 'index.ts'), CONSUMER);
  const compilerOptions = { target: 'es2023', module: 'nodenext', strict: true, types: ['node'], noEmit: true };
  writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['index.ts'] }));
  compile(join(place, 'tsconfig.json'));
});

t.test('every route needs a token, except routes that are marked public', async (t) => {
  const { issuer, port } = await begin(t);
  t.match(await get(port, '/me', bearer(issuer.token())), { status: 200, body: { id: issuer.userId } });
  t.match(await get(port, '/me'), {
    status: 401,
    headers: { 'www-authenticate': 'Bearer', 'content-type': 'application/problem+json; charset=utf-8' },
    body: { code: 'unauthenticated', status: 401 },
  });
  t.match(await get(port, '/deals/health'), { status: 200, body: { ok: true } });
  t.match(await get(port, '/me', bearer(issuer.expiredToken())), { status: 401, body: { code: 'token_expired' } });
  t.match(await get(port, '/me', ['Authorization', `Basic ${issuer.token()}`]), { status: 401 });
  const good = bearer(issuer.token());
  t.match(await get(port, '/me', [...good, ...good]), { status: 401, body: { code: 'invalid_token' } }, 'doubled');
});

t.test('a revoked token gets 401 at once, and no token gets 401 while revocations are unknown', async (t) => {
  const { issuer, port } = await begin(t);
  const sid = crypto.randomUUID();
  const token = issuer.token({ sid });
  t.equal((await get(port, '/me', bearer(token))).status, 200);
  issuer.setStale(true);
  const stale = await get(port, '/me', bearer(token));
  t.match(stale, { status: 503, headers: { 'retry-after': '1' }, body: { code: 'revocations_stale' } });
  issuer.setStale(false);
  issuer.revoke({ kind: 'session', sid });
  t.match(await get(port, '/me', bearer(token)), { status: 401, body: { code: 'session_revoked' } });
});

t.test('permissions of the controller and of the route add up, from the token or the service', async (t) => {
  const { issuer, port } = await begin(t);
  const status = async (permissions: string[], method = 'GET') =>
    (await get(port, '/deals', bearer(issuer.token({ permissions })), undefined, method)).status;
  t.equal(await status([]), 403);
  t.equal(await status(['deals:read']), 200);
  t.equal(await status(['deals:read'], 'POST'), 403);
  t.equal(await status(['deals:write'], 'POST'), 403);
  t.equal(await status(['deals:read', 'deals:write'], 'POST'), 201);
  const { headers } = await get(port, '/deals', bearer(issuer.token()));
  t.equal(headers['www-authenticate'], 'Bearer error="insufficient_scope", scope="deals:read"');
  const elsewhere = bearer(issuer.token({ permissions_ref: true }));
  t.equal((await get(port, '/deals', elsewhere)).status, 403);
  issuer.grant(issuer.userId, 'deals:read');
  t.equal((await get(port, '/deals', elsewhere)).status, 200);
});

t.test('if permissions cannot be read, the answer is 503', async (t) => {
  const { issuer, port } = await begin(t, { fetch: () => Promise.reject(new Error('connection refused')) });
  const answer = await get(port, '/deals', bearer(issuer.token({ permissions_ref: true })));
  t.match(answer, { status: 503, headers: { 'retry-after': /^[1-9]/ }, body: { code: 'check_unavailable' } });
});

t.test('an invalid permission is refused when the class is loaded', async (t) => {
  for (const wrong of ['deals', 'deals:*', 'Deals:write', '']) t.throws(() => RequirePermission(wrong), TypeError);
});
