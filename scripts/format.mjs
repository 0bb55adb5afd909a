// Formats and lints in place: `npm run format`.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const { status } = spawnSync('node_modules/.bin/biome', ['check', '--write', '.'], { cwd: root, stdio: 'inherit' });
process.exit(status ?? 1);
