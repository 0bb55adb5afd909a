// Owns: the one clock that all processes of a proof share.

/** Milliseconds of the machine's monotonic clock, the same for all its processes. */
export function machineMilliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
