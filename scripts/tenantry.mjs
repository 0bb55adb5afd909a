#!/usr/bin/env node
// Owns: the command `tenantry` of a clone: `npx tenantry <command>` and `npm run tenantry -- <command>`. It is the
// service's own program with arguments, run as launch.mjs runs every program: packages first, with a Node that fits.
// Plain JavaScript for Node 18 and later, because it runs before anything is installed.

import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

// The service keeps its state in the clone wherever the command is called from; files that the arguments name are
// looked for where the caller stands, which npm has put there already when it runs a script.
if (process.env.npm_lifecycle_event !== 'tenantry' && process.env.npm_lifecycle_event !== 'keys') {
  process.env.INIT_CWD = process.cwd();
}
process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
const args = process.argv.slice(2);
process.argv.splice(2, args.length, 'src/main.ts', ...(args.length === 0 ? ['--help'] : args));
await import('./launch.mjs');
