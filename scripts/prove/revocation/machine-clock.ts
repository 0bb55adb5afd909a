// The one clock that all processes of a proof share.

/** Returns milliseconds of the machine's monotonic clock, which is the same for all its processes. */
export function machineMilliseconds(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
