// Limits how many costly tasks run at the same time and how many may wait. The tasks begin in the order in which they
// came.

/**
 * Thrown when the queue is full. The work was not started. The caller may try again after the given number of seconds.
 */
export class PasswordQueueFull extends Error {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super(`too many passwords are waiting to be hashed; try again in ${retryAfterSeconds} s`);
    this.name = 'PasswordQueueFull';
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface Permits {
  /** Runs the work once a permit is free, and frees the permit when the work has ended or failed. */
  run<T>(work: () => Promise<T>): Promise<T>;
  readonly waiting: number;
  readonly running: number;
}

/** Creates `count` permits and a queue of at most `queueMax`. When it is full, `run` rejects with PasswordQueueFull. */
export function createPermits(count: number, queueMax: number, retryAfterSeconds: number): Permits {
  const queue: (() => void)[] = [];
  let running = 0;

  const take = (): Promise<void> | undefined => {
    if (running < count) {
      running += 1;
      return undefined;
    }
    if (queue.length >= queueMax) throw new PasswordQueueFull(retryAfterSeconds);
    return new Promise((resolve) => queue.push(resolve));
  };

  // A permit goes straight to the next task of the queue, so that a new task cannot overtake it.
  const release = (): void => {
    const next = queue.shift();
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
      return queue.length;
    },
    get running() {
      return running;
    },
  };
}
