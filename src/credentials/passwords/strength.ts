// Estimates passwords in a thread of their own, which exists only while passwords are being set. So the event loop
// never waits for an estimate, and the memory of the dictionaries is free again afterwards.
import { Worker } from 'node:worker_threads';

export interface Question {
  readonly password: string;
  /** What an attacker knows about the person, in lower case. */
  readonly words: readonly string[];
  /** The estimator stops once there are more guesses than this. */
  readonly enough: number;
}

export interface Strength {
  /**
   * The decimal logarithm of the guesses that the password takes. Waits while the thread loads. Raises StrengthUnknown
   * when too many estimates wait, and when the thread fails or the answer does not come in time.
   */
  estimate(question: Question): Promise<number>;
}

/** No estimate can be made at the moment. */
export class StrengthUnknown extends Error {
  override readonly name = 'StrengthUnknown';
}

const WAITING_MAX = 64;
/** How long a caller waits. It is shorter than the time of a request, so that its work is over when it is answered. */
const WAIT_MS_MAX = 7_500;
const ANSWER_MS_MAX = 8_000;
/**
 * Loading the dictionaries takes half a second. On a machine under load it may take longer than a caller waits. The
 * thread then continues, so that the next request finds it ready.
 */
const LOAD_MS_MAX = 60_000;
const IDLE_MS = 60_000;
const LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 };
// The compiled program has .js files.
const THREAD = new URL(`./strength-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

interface Waiting {
  readonly question: Question;
  readonly resolve: (guesses: number) => void;
  readonly reject: (reason: StrengthUnknown) => void;
}

/** Returns the estimator. It starts its thread with the first estimate, and ends it after a minute without any. */
export function openStrength({
  idleMs = IDLE_MS,
  waitMsMax = WAIT_MS_MAX,
  answerMsMax = ANSWER_MS_MAX,
  loadMsMax = LOAD_MS_MAX,
  script = THREAD,
} = {}): Strength {
  const waiting: Waiting[] = [];
  let thread: Worker | null = null;
  let isLoaded = false;
  let timer: NodeJS.Timeout | undefined;

  function wait(ms: number, then: () => void): void {
    clearTimeout(timer);
    timer = setTimeout(then, ms);
    timer.unref();
  }

  function end(reason: string): void {
    clearTimeout(timer);
    const ended = thread;
    thread = null;
    isLoaded = false;
    void ended?.terminate();
    for (const { reject } of waiting.splice(0)) reject(new StrengthUnknown(reason));
  }

  function start(): Worker {
    const started = new Worker(script, { resourceLimits: LIMITS, env: {}, execArgv: [], stdout: true, stderr: true });
    const fail = (reason: string) => thread === started && end(reason);
    started.on('message', (guesses: number | 'loaded') => {
      if (thread !== started) return;
      if (guesses === 'loaded') {
        isLoaded = true;
        return limit();
      }
      waiting.shift()?.resolve(guesses);
      next();
    });
    started.on('error', (error) => fail(error.message));
    started.on('exit', () => fail('the thread has ended'));
    return started;
  }

  /** Sends the first waiting request. */
  function next(): void {
    const [first] = waiting;
    if (!first) {
      thread?.unref();
      wait(idleMs, () => end('idle'));
      return;
    }
    thread ??= start();
    thread.ref();
    thread.postMessage(first.question);
    limit();
  }

  function limit(): void {
    wait(isLoaded ? answerMsMax : loadMsMax, () => end('the estimate takes too long'));
  }

  return {
    estimate(question) {
      if (waiting.length >= WAITING_MAX) return Promise.reject(new StrengthUnknown('too many estimates wait'));
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      waiting.push({ question, resolve, reject });
      if (waiting.length === 1) next();
      // The question stays in the queue, because the thread answers one after another.
      const giveUp = setTimeout(() => reject(new StrengthUnknown('the estimate takes too long')), waitMsMax);
      return promise.finally(() => clearTimeout(giveUp));
    },
  };
}
