// Owns: the signals and the end of a program that a script runs for somebody else.

import { constants } from 'node:os';

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'];
const SAME_SIGNAL_MILLISECONDS = 1000;

/**
 * Passes signals on to a child in a process group of its own, until the function it returns is called, which gives the
 * last signal. A terminal sends its Ctrl-C to the whole group and npm sends it once more: the child gets it once.
 */
export function forwardSignals(child) {
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
  return () => {
    for (const signal of FORWARDED) process.removeListener(signal, forward);
    return last;
  };
}

/** Ends this process as the child ended: with its exit code, or by the same signal. */
export function endLike(code, signal) {
  if (signal === null || signal === undefined) process.exit(code ?? 1);
  process.kill(process.pid, signal);
  // A signal that is ignored here, or takes a moment to arrive, must not turn into success.
  setTimeout(() => process.exit(128 + (constants.signals[signal] ?? 0)), 100);
}
