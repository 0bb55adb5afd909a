// The command of the example applications leaves no process behind: when it is stopped while Tenantry starts, and when
// Tenantry cannot start.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { startProcess } from '../../support/servers/process.ts';
import { until } from '../../support/until.ts';
import { runCommand } from './example.ts';

const LAUNCHER = fileURLToPath(new URL('../../../scripts/launch.mjs', import.meta.url));

/** The state and the parent of a process, or null if there is no such process. */
function statusOf(pid: number): { readonly state: string; readonly parent: number } | null {
  try {
    const [state = '', parent] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? [];
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}

const isRunning = (pid: number) => !['Z', undefined].includes(statusOf(pid)?.state);

function descendantsOf(pid: number): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const children = pids.map(Number).filter((one) => statusOf(one)?.parent === pid);
  return children.flatMap((child) => [child, ...descendantsOf(child)]);
}

/** Waits until the command has started this number of processes, and ends them after the test. */
async function started(t: Test, pid: number, count: number): Promise<number[]> {
  let found: number[] = [];
  t.teardown(() => {
    for (const one of found.filter(isRunning)) process.kill(one, 'SIGKILL');
  });
  await until(() => {
    found = descendantsOf(pid);
    return found.length >= count;
  });
  return found;
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  for (const [when, count] of Object.entries({ 'its launcher': 1, 'its program': 2, PostgreSQL: 3 })) {
    t.test(`${signal} while Tenantry starts ${when} ends every process`, async (t) => {
      const command = (await runCommand(t, 'hosted')).process;
      const processes = await started(t, command.pid, count);
      process.kill(command.pid, signal);
      await until(() => !isRunning(command.pid));
      t.same(processes.filter(isRunning), []);
      t.notMatch(command.output(), /is ready|ended with the code/);
    });
  }
}

t.test('a signal that reaches the launcher while it starts the program ends the program', async (t) => {
  const early = `import { syncBuiltinESMExports } from 'node:module';
    import processes from 'node:child_process';
    const { spawn } = processes;
    processes.spawn = (...args) => {
      const child = spawn(...args);
      console.log('started ' + child.pid);
      process.kill(process.pid, 'SIGTERM');
      return child;
    };
    syncBuiltinESMExports();`;
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-launcher-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'endless.mjs'), 'setInterval(() => {}, 1000);');
  const flags = ['--import', `data:text/javascript,${encodeURIComponent(early)}`];
  // Without NODE_OPTIONS of the test runner, which would delay the signal.
  const program = ['-i', process.execPath, ...flags, LAUNCHER, join(folder, 'endless.mjs')];
  const launcher = startProcess('/usr/bin/env', program, 'SIGTERM');
  t.teardown(() => launcher.end('SIGTERM'));
  await launcher.printed(/^started \d+$/);
  const started = Number(/^started (\d+)$/m.exec(launcher.output())?.[1]);
  t.teardown(() => isRunning(started) && process.kill(started, 'SIGKILL'));
  await until(() => !isRunning(launcher.pid));
  t.notOk(isRunning(started));
});

t.test('if Tenantry cannot start, the command says why and ends', async (t) => {
  const command = (await runCommand(t, 'hosted', { REGISTRATION_MODE: 'sometimes' })).process;
  const processes = await started(t, command.pid, 1);
  await until(() => !isRunning(command.pid));
  t.same(processes.filter(isRunning), []);
  t.match(command.output(), /REGISTRATION_MODE/);
  t.match(command.output(), /Tenantry ended with the code 1\./);
});
