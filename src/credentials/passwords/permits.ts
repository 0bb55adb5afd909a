// Owns the bound on how many costly pieces of work run at once and how many may wait, first come first served.
// Leaves the work itself, and what a full line means to a caller, to others.

/** Thrown when the waiting line is full: nothing was begun, and the caller may come back after the given seconds. */
export class PasswordQueueFull extends Error {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(`too many passwords are waiting to be hashed; come back in ${retryAfterSeconds} s`);
    this.name = 'PasswordQueueFull';
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface Permits {
  /** Runs the work once a permit is free, and frees it when the work has ended, well or not. */
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly waiting: number;
  readonly running: number;
}

/** `count` permits and a line of at most `queueMax`; beyond, `run` rejects with PasswordQueueFull. */
export function createPermits(count: number, queueMax: number, retryAfterSeconds: number): Permits {
  const line: (() => void)[] = [];
  let running = 0;

  const take = (): Promise<void> | undefined => {
    if (running < count) {
      running += 1;
      return undefined;
    }
    if (line.length >= queueMax) throw new PasswordQueueFull(retryAfterSeconds);
    return new Promise((resolve) => line.push(resolve));
  };

  // A permit goes straight to the next in line, so that a newcomer cannot slip in between.
  const release = (): void => {
    const next = line.shift();
    if (next) next();
    else running -= 1;
  };

  return {
    async run(work) {
      const turn = take();
      if (turn) await turn;
      try {
        return await work();
      } finally {
        release();
      }
    },
    get waiting() {
      return line.length;
    },
    get running() {
      return running;
    },
  };
}
