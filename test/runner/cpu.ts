// The CPU time of this process and of the processes that it has started and that have ended.
import { readFileSync } from 'node:fs';

/** Returns the CPU time of this process, and on Linux that of the processes that it has started and that have ended. */
export function coreSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000_000 + childSeconds();
}

function childSeconds(): number {
  try {
    const stat = readFileSync('/proc/self/stat', 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[13]) + Number(fields[14])) / 100; // Linux counts in hundredths of a second
  } catch {
    return 0;
  }
}
