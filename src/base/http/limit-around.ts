// A rate limit for work of which one part must not use up the allowance of the other parts. For example, a session
// refreshes for several organizations, and one of them may refuse the session again and again.

/** The state of an allowance for one key. */
export interface Count {
  readonly max: number;
  readonly remaining: number;
  readonly ttlInSeconds: number;
  readonly isExceeded: boolean;
}

/** A function that reads the count of a key, and raises the count first if `increment` is set. */
export type Counter = (key: string, increment: boolean) => Promise<Count>;

export interface LimitedWork<T> {
  readonly key: string;
  /** The part of the work, as the request names it. */
  readonly part: string;
  /** Whether work that failed with this error counts for its part only. */
  readonly isApart: (error: unknown) => boolean;
  readonly work: () => Promise<T>;
}

export interface LimitDeps {
  readonly counter: Counter;
  /** Sets the headers of the answer. */
  readonly show: (count: Count) => void;
  /** The error that refuses the work. */
  readonly refuse: (count: Count) => Error;
}

/**
 * Returns a function that runs work if neither the allowance of its key nor that of its part is used up, and counts the
 * work afterwards. Work whose error `isApart` accepts counts for its part, which has an allowance of the same size.
 * Work that is running counts, too, so that simultaneous requests cannot exceed the allowance together.
 */
export function createLimitAround() {
  const running = new Map<string, number>();

  async function counted<T>(key: string, work: (running: number) => Promise<T>): Promise<T> {
    const now = (running.get(key) ?? 0) + 1;
    running.set(key, now);
    try {
      return await work(now);
    } finally {
      const left = (running.get(key) ?? 1) - 1;
      if (left === 0) running.delete(key);
      else running.set(key, left);
    }
  }

  return async function around<T>(deps: LimitDeps, { key, part, isApart, work }: LimitedWork<T>): Promise<T> {
    const { counter, show } = deps;
    const apart = `${key} part ${part}`;

    async function assertLeft(name: string, calls: number): Promise<void> {
      const count = await counter(name, false);
      if (count.remaining >= calls) return;
      show({ ...count, remaining: 0 });
      throw deps.refuse(count);
    }

    // A request must not get around the allowance by inventing parts. So only a limited number of parts have an
    // allowance of their own.
    async function keyToCount(error: unknown): Promise<string> {
      if (!isApart(error)) return key;
      const known = await counter(apart, false);
      if (known.remaining < known.max) return apart;
      if ((await counter(`${key} parts`, false)).remaining === 0) return key;
      await counter(`${key} parts`, true);
      return apart;
    }

    return counted(key, (calls) =>
      counted(apart, async (callsApart) => {
        await assertLeft(apart, callsApart);
        await assertLeft(key, calls);
        const settled = await work().then(
          (value) => ({ value }),
          (error: unknown) => ({ error }),
        );
        const failed = 'error' in settled;
        show(await counter(failed ? await keyToCount(settled.error) : key, true));
        if (failed) throw settled.error;
        return settled.value;
      }),
    );
  };
}
