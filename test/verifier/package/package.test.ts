// The verifier as another project gets it: packed, unpacked into the project's node_modules, imported, type-checked and
// used. Nothing else is installed and no service runs.
import { execFile } from 'node:child_process';
import {
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * Runs a program without the loader that the test runner adds to every Node process. Not every program works with that
 * loader.
 */
function runBare(program: string, args: readonly string[], cwd: string) {
  return run('env', ['-i', `PATH=${process.env.PATH}`, `HOME=${process.env.HOME}`, program, ...args], { cwd });
}

const CONSUMER = `
import { strictEqual } from 'node:assert';
import { createVerifier, VerificationError, verifyJws } from 'tenantry/verifier';
import { createTestIssuer } from 'tenantry/verifier/testkit';
import * as fastify from 'tenantry/verifier/fastify';
import * as express from 'tenantry/verifier/express';
import * as websocket from 'tenantry/verifier/websocket';

const issuer = createTestIssuer();
const verifier = issuer.verifier();
const token = issuer.token({ permissions: ['deals:*'] });
const principal = await verifier.verify(token);
principal.require('deals:write');
await verifier.authorize(principal, 'deals:read');
strictEqual((await verifier.verifyHeader('Bearer ' + token)).id, issuer.userId);
issuer.revoke({ kind: 'user', sub: issuer.userId, epoch: 2 });
const refused = await verifier.verify(token).catch((error) => error);
strictEqual(refused instanceof VerificationError && refused.code, 'token_stale');
strictEqual(verifyJws(token, issuer.jwks()).payload.length > 0, true);
strictEqual([fastify.tenantry, express.authenticate, websocket.authenticateUpgrade].every((f) => typeof f === 'function'), true);
const lone = createVerifier({
  issuer: 'http://127.0.0.1:9',
  audience: 'x',
  revocation: { credentials: { clientId: 'c', clientSecret: 's' } },
  onError() {},
});
strictEqual((await lone.verify(token).catch((error) => error)).status, 503);
// The process can end even if the keys cannot be fetched and the feed cannot be reached.
console.log('used by ' + process.version);
`;

const TYPED = `
import { createVerifier, type VerificationCode, VerificationError, type VerifiedPrincipal, type Verifier } from 'tenantry/verifier';
import { createTestIssuer } from 'tenantry/verifier/testkit';
import { requirePermission, tenantry } from 'tenantry/verifier/fastify';
import { authenticate } from 'tenantry/verifier/express';
import { authenticateUpgrade } from 'tenantry/verifier/websocket';

const verifier: Verifier = createVerifier({ issuer: 'https://auth.test', audience: ['a'], revocation: false });
const principal: VerifiedPrincipal = await verifier.verify('x');
const where: string | null = principal.organizationId;
if (principal.kind === 'user') principal.sessionId satisfies string;
// @ts-expect-error a service client has no session
if (principal.kind === 'client') principal.sessionId;
// @ts-expect-error a principal is read-only
principal.id = 'x';
// @ts-expect-error the option issuer is required
createVerifier({ audience: 'a' });
const code: VerificationCode = new VerificationError('token_stale').code;
export const used = [where, code, createTestIssuer, requirePermission, tenantry, authenticate, authenticateUpgrade];
`;

/** Creates another project in which only the packed verifier is installed. */
async function projectOf(t: Test): Promise<string> {
  const project = mkdtempSync(join(tmpdir(), 'tenantry-consumer-'));
  t.teardown(() => rmSync(project, { recursive: true, force: true }));
  await runBare(process.execPath, ['scripts/verifier-package.mjs', '--pack', project], root);
  const installed = join(project, 'node_modules', 'tenantry');
  mkdirSync(installed, { recursive: true });
  const [tarball = ''] = readdirSync(project).filter((name) => name.endsWith('.tgz'));
  await run('tar', ['-xzf', join(project, tarball), '-C', installed, '--strip-components=1']);
  writeFileSync(join(project, 'package.json'), '{"type":"module"}');
  return project;
}

/** Returns this Node, and the Node of the machine if it is another version of at least 20. */
async function nodes(): Promise<string[]> {
  const others = (process.env.PATH ?? '').split(':').filter((folder) => folder && !folder.includes('node_modules'));
  for (const folder of others) {
    const path = join(folder, 'node');
    const version = await run(path, ['--version']).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    );
    if (Number(/^v(\d+)/.exec(version)?.[1] ?? 0) >= 20 && version !== process.version) return [process.execPath, path];
  }
  return [process.execPath];
}

t.test('another project can import, type-check and use the packed verifier', async (t) => {
  const project = await projectOf(t);
  writeFileSync(join(project, 'consumer.mjs'), CONSUMER);
  for (const node of await nodes()) {
    const { stdout, stderr } = await runBare(node, ['consumer.mjs'], project);
    t.match(stdout, /^used by v\d+/, stdout.trim());
    t.equal(stderr, '', 'the program causes no warning');
  }
  writeFileSync(join(project, 'typed.ts'), TYPED);
  mkdirSync(join(project, 'node_modules', '@types'));
  symlinkSync(join(root, 'node_modules/@types/node'), join(project, 'node_modules/@types/node'));
  symlinkSync(join(root, 'node_modules/undici-types'), join(project, 'node_modules/undici-types'));
  const settings = {
    module: 'nodenext',
    target: 'es2022',
    strict: true,
    noEmit: true,
    types: ['node'],
    skipLibCheck: false,
  };
  const strict = { ...settings, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: strict, files: ['typed.ts'] }));
  const checked = await runBare(join(root, 'node_modules/.bin/tsc'), ['-p', project], project).catch((error) => error);
  t.equal(checked.stdout, '', 'the compiler reports no error');
});

t.test('the package contains only the verifier and has no dependencies', async (t) => {
  const installed = join(await projectOf(t), 'node_modules', 'tenantry');
  const { files, bin, dependencies, ...manifest } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
  t.same([files, bin, dependencies, manifest.private], Array(4).fill(undefined));
  t.same(
    Object.keys(manifest.exports),
    Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports),
  );
  t.same(readdirSync(installed).sort(), ['LICENSE', 'README.md', 'dist', 'package.json']);
  t.same(readdirSync(join(installed, 'dist')).sort(), ['protocol', 'verifier']);
  const names = globSync('**/*.*', { cwd: join(installed, 'dist') });
  for (const name of names) {
    const text = readFileSync(join(installed, 'dist', name), 'utf8');
    const imported = [...text.matchAll(/(?:from|import\() ?'([^']+)'/g)].map(([, specifier = '']) => specifier);
    t.same(
      imported.filter((specifier) => !/^node:|^\.\.?\/.*\.js$/.test(specifier)),
      [],
      name,
    );
  }
  for (const { types, default: code } of Object.values(manifest.exports) as { types: string; default: string }[]) {
    for (const path of [types, code]) t.ok(names.includes(path.replace('./dist/', '')), path);
  }
});

t.test('npm pack in the repository packs only the verifier', async (t) => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--ignore-scripts', '--json', '--silent'], { cwd: root });
  const [{ files }] = Object.values(JSON.parse(stdout)) as [{ files: { path: string }[] }];
  const others = files.map(({ path }) => path).filter((path) => !/^dist\/(verifier|protocol)\//.test(path));
  t.same(others.sort(), ['LICENSE', 'README.md', 'package.json', 'scripts/tenantry.mjs']);
});
