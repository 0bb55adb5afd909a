// The verifier as a package for other services: `npm run build:verifier` compiles it to dist with its types, and
// `npm run pack:verifier [folder]` makes a tarball that contains only the verifier, and prints the path of the tarball.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const FOLDERS = ['verifier', 'protocol'];
const README = `# tenantry

Verifies Tenantry's access tokens in any Node service (20 or later), without a call per request and without dependencies:
\`tenantry/verifier\`, with adapters in \`tenantry/verifier/fastify\`, \`…/express\` and \`…/websocket\`, and
\`tenantry/verifier/testkit\` for tests. The documentation is in the service's repository: docs/verifier.md.
`;

if (process.argv.includes('--pack')) {
  const [folder = '.'] = process.argv.slice(2).filter((argument) => argument !== '--pack');
  pack(resolve(folder));
} else {
  compile(join(root, 'dist'));
}

/** Compiles the verifier and the files that it uses into a folder. */
function compile(out) {
  for (const folder of FOLDERS) rmSync(join(out, folder), { recursive: true, force: true });
  run(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.verifier.json', '--outDir', out], root);
  const declarations = FOLDERS.flatMap((folder) =>
    readdirSync(join(out, folder), { recursive: true }).map((name) => join(out, folder, name)),
  );
  for (const path of declarations.filter((name) => name.endsWith('.d.ts'))) {
    // In declarations the compiler writes imports of .ts files. The folder contains only the compiled .js files.
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(/(['"]\.{1,2}\/[^'"]+)\.ts(['"])/g, '$1.js$2'));
  }
}

function pack(to) {
  const stage = mkdtempSync(join(tmpdir(), 'tenantry-package-'));
  try {
    compile(join(stage, 'dist'));
    const { name, version, license, type, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const description = "Verifies Tenantry's access tokens in any Node service.";
    const manifest = {
      name,
      version,
      description,
      license,
      type,
      engines: { node: '>=20' },
      sideEffects: false,
      exports,
    };
    writeFileSync(join(stage, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
    writeFileSync(join(stage, 'README.md'), README);
    copyFileSync(join(root, 'LICENSE'), join(stage, 'LICENSE'));
    mkdirSync(to, { recursive: true });
    const tarball = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', to], stage, 'pipe');
    console.log(`The package is ${join(to, tarball.trim())}`);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
}

/** Returns what the program prints, if `output` is 'pipe'. Ends this process when the program fails. */
function run(program, args, cwd, output = 'inherit') {
  const { status, stdout } = spawnSync(program, args, { cwd, stdio: ['inherit', output, 'inherit'], encoding: 'utf8' });
  if (status !== 0) process.exit(status ?? 1);
  return stdout;
}
