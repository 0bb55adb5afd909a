// A process that runs test files one after another, because starting Node, tap and the service takes more time
// than most files. Each file is a sub-test of tap's root test, and the sub-test has the name of the file. The `t` that
// a file imports from tap is this sub-test. The parent process names the next file in a message. After the results of a
// file, a comment on the standard output lists the resources that the file left open. pool.ts chooses the next file,
// and reports a process that ends early.
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Base, Test } from 'tap';
import { coreSeconds } from './cpu.ts';
import { Domain } from './domain.ts';
import { DONE, type Done, FILE_SECONDS_MAX } from './protocol.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TESTS = Symbol.for('tenantry.tests');
const OWN_TAP = 'tap-of:';
const DOMAIN = new URL('./domain.ts', import.meta.url).href;
/** The time in which resources that a file has left open may close on their own, which takes long on a busy machine. */
const CLOSING_MS = Number(process.env.TEST_CLOSING_MS ?? 60_000);
const POLL_MS = 20;

const tests = new Map<string, Test>();
Object.assign(globalThis, { [TESTS]: tests });

registerHooks({
  resolve(specifier, context, next) {
    const { parentURL = '' } = context;
    if (specifier === 'async-hook-domain') return next(DOMAIN, context);
    if (specifier === 'tap' && tests.has(parentURL)) return { url: OWN_TAP + parentURL, shortCircuit: true };
    return next(specifier, context);
  },
  load(url, context, next) {
    if (!url.startsWith(OWN_TAP)) return next(url, context);
    const file = JSON.stringify(url.slice(OWN_TAP.length));
    const source = `export default globalThis[Symbol.for('tenantry.tests')].get(${file});`;
    return { format: 'module', source, shortCircuit: true };
  },
});

const { default: root, Base: TapBase } = await import('tap');
const { runMain } = TapBase.prototype;
TapBase.prototype.runMain = function (this: Base, onEnd: () => void) {
  if (this.hookDomain instanceof Domain) this.hookDomain.begin();
  return runMain.call(this, onEnd);
};
root.setTimeout(0); // the root test runs until the last file has ended
await sleep(POLL_MS);
process.channel?.unref();
const idle = tally(process.getActiveResourcesInfo());
let told = { ...root.counts };
process.on('message', ({ file }: { file?: string }) => {
  if (file !== undefined) void runFile(file);
});
process.channel?.ref();
process.send?.({ ready: true });

async function runFile(file: string): Promise<void> {
  // When the channel closes, a file that waits forever no longer keeps this process alive, and fails at once.
  process.channel?.unref();
  const begun = performance.now();
  const coreBegun = coreSeconds();
  const url = pathToFileURL(resolve(ROOT, file)).href;
  await root.test(file, { timeout: FILE_SECONDS_MAX * 1000 }, async (t) => {
    tests.set(url, t);
    await import(url);
  });
  const seconds = (performance.now() - begun) / 1000;
  const left = await leftOpen();
  const { pass, fail, skip, todo } = root.counts;
  const done: Done = {
    ...{ file, seconds, left },
    coreSeconds: coreSeconds() - coreBegun,
    pass: pass - told.pass,
    fail: fail - told.fail,
    skip: skip + todo - told.skip - told.todo,
    residentBytes: process.memoryUsage.rss(),
  };
  told = { ...root.counts };
  process.channel?.ref();
  process.stdout.write(`${DONE}${JSON.stringify(done)}\n`);
}

/** Returns the resources that keep this process alive and that did not exist before the file ran. */
async function leftOpen(): Promise<string[]> {
  for (const from = performance.now(); ; await sleep(POLL_MS)) {
    const left = [...tally(process.getActiveResourcesInfo())].filter(([kind, count]) => count > (idle.get(kind) ?? 0));
    if (left.length === 0 || performance.now() - from > CLOSING_MS) return left.map(([kind]) => kind);
  }
}

function tally(kinds: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kinds) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}
