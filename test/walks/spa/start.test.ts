// The command of the example applications leaves no process behind: when it is stopped while Tenantry starts, and when
// Tenantry cannot start.
import { readdirSync, readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { until } from '../../support/until.ts';
import { runCommand } from './example.ts';

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

t.test('if Tenantry cannot start, the command says why and ends', async (t) => {
  const command = (await runCommand(t, 'hosted', { REGISTRATION_MODE: 'sometimes' })).process;
  const processes = await started(t, command.pid, 1);
  await until(() => !isRunning(command.pid));
  t.same(processes.filter(isRunning), []);
  t.match(command.output(), /REGISTRATION_MODE/);
  t.match(command.output(), /Tenantry ended with the code 1\./);
});
