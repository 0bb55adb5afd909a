// Passes signals to a program that a script starts, and ends the script as that program ended.

import { constants } from 'node:os';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const SAME_SIGNAL_MILLISECONDS = 1000;

/**
 * Starts a child that has its own process group, and passes signals on to it. Returns the child, and a function that
 * stops this and returns the last signal. A signal that arrives while the child starts reaches it, too. On Ctrl-C the
 * terminal signals the whole group and npm sends the signal again, but the child gets it only once.
 */
export function startWithSignals(startChild) {
  const sent = new Map();
  let last;
  const forward = (signal) => {
    const now = performance.now();
    if (now - (sent.get(signal) ?? Number.NEGATIVE_INFINITY) < SAME_SIGNAL_MILLISECONDS) return;
    sent.set(signal, now);
    last = signal;
    child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  const child = startChild();
  const stopForwarding = () => {
    for (const signal of FORWARDED) process.removeListener(signal, forward);
    return last;
  };
  return { child, stopForwarding };
}

/** Ends this process as the child ended: with its exit code, or by the same signal. */
export function endLike(code, signal) {
  if (signal === null || signal === undefined) process.exit(code ?? 1);
  process.kill(process.pid, signal);
  // This line runs if the signal is ignored here or arrives late. The exit must not look like success then.
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
}
