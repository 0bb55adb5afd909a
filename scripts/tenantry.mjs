#!/usr/bin/env node
// The command `tenantry` in a clone: `npx tenantry <command>` and `npm run tenantry -- <command>`. It starts the
// program of the service with arguments. launch.mjs installs the packages first and finds a Node that can run it.
// This is plain JavaScript for Node 18 and later, because it runs before anything is installed.

import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

// The service keeps its state in the clone, whatever folder the command is called from. Paths in the arguments are
// relative to the caller's folder: INIT_CWD, which npm has already set if it runs this as a script.
if (process.env.npm_lifecycle_event !== 'tenantry' && process.env.npm_lifecycle_event !== 'keys') {
  process.env.INIT_CWD = process.cwd();
}
process.chdir(dirname(dirname(fileURLToPath(import.meta.url))));
const args = process.argv.slice(2);
process.argv.splice(2, args.length, 'src/main.ts', ...(args.length === 0 ? ['--help'] : args));
await import('./launch.mjs');
