// Estimates passwords in a thread of their own, which exists only while passwords are being set and for a minute
// afterwards. So the event loop never waits for an estimate, and the memory of the dictionaries becomes free again. The
// thread makes one estimate after another, and serves requesters such as networks in turn, so that no requester can
// keep the thread from the others.
import { Worker } from 'node:worker_threads';
import { FairQueue } from '../../base/platform/fair-queue.ts';
import { currentRequester, workForService } from '../../base/platform/requester.ts';

export interface Question {
  readonly password: string;
  /** What an attacker knows about the person, in lower case. */
  readonly words: readonly string[];
  /** The estimator stops once the decimal logarithm of the guesses is higher than this. */
  readonly enough: number;
}

export interface Strength {
  /**
   * The decimal logarithm of the guesses that the password takes. Waits while the thread loads. Raises StrengthUnknown
   * when too many estimates wait, in all or for this requester, and when the thread fails or the answer does not come
   * in time. An estimate for which nobody waits any more is not begun.
   */
  estimate(question: Question): Promise<number>;
}

/** No estimate can be made at the moment. */
export class StrengthUnknown extends Error {
  override readonly name = 'StrengthUnknown';
}

/**
 * Many people may set passwords at the same time. A waiting estimate takes little memory compared with that of its
 * request.
 */
const WAITING_MAX = 1_000;
/** A network may register ten times a minute (RATE_LIMIT_SIGN_IN), unless an operator allows more. */
const WAITING_PER_REQUESTER_MAX = 16;
/** How long a caller waits. A request may take longer than this, so it can still be answered when the wait ends. */
const WAIT_MS_MAX = 7_500;
const ANSWER_MS_MAX = 8_000;
/**
 * Loading the dictionaries takes half a second. On a machine under load it may take longer than a caller waits. The
 * thread then continues to load, so that a later request finds it ready.
 */
const LOAD_MS_MAX = 60_000;
const IDLE_MS = 60_000;
const LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32 };
// The compiled program has .js files.
const THREAD = new URL(`./strength-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);

interface Asked {
  readonly resolve: (guesses: number) => void;
  readonly reject: (reason: StrengthUnknown) => void;
}

/** Returns the estimator. It starts its thread with the first estimate, and ends it after a minute without any. */
export function openStrength({
  waitMsMax = WAIT_MS_MAX,
  waitingMax = WAITING_MAX,
  idleMs = IDLE_MS,
  answerMsMax = ANSWER_MS_MAX,
  loadMsMax = LOAD_MS_MAX,
  script = THREAD,
} = {}): Strength {
  const ask = openThread({ idleMs, answerMsMax, loadMsMax, script });
  const queue = new FairQueue({
    places: 1,
    reserved: 0,
    waitingMax: WAITING_PER_REQUESTER_MAX,
    waitMs: waitMsMax,
    refusal: (why) => new StrengthUnknown(why),
  });
  return {
    async estimate(question) {
      if (queue.waiting >= waitingMax) throw new StrengthUnknown('too many estimates wait');
      const requester = currentRequester();
      const turn = { subject: requester?.subject ?? null, kind: 'estimate', atOnceMax: 1, requester };
      const late = Promise.withResolvers<never>();
      // After `waitMsMax`, the queue drops an estimate that still waits for its turn. An estimate that has begun goes
      // on without its caller.
      const giveUp = setTimeout(() => late.reject(new StrengthUnknown('the estimate takes too long')), waitMsMax);
      const guesses = queue.run(turn, () => ask(question));
      return Promise.race([guesses, late.promise]).finally(() => clearTimeout(giveUp));
    },
  };
}

interface ThreadOptions {
  readonly idleMs: number;
  readonly answerMsMax: number;
  readonly loadMsMax: number;
  readonly script: URL;
}

/** Returns the function that asks the thread. Call that function again only once the last answer has come. */
function openThread({
  idleMs,
  answerMsMax,
  loadMsMax,
  script,
}: ThreadOptions): (question: Question) => Promise<number> {
  /** The question that the thread answers now. */
  let asked: Asked | null = null;
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
    asked?.reject(new StrengthUnknown(reason));
    asked = null;
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
      asked?.resolve(guesses);
      asked = null;
      started.unref();
      wait(idleMs, () => end('idle'));
    });
    started.on('error', (error) => fail(error.message));
    started.on('exit', () => fail('the thread has ended'));
    return started;
  }

  function limit(): void {
    wait(isLoaded ? answerMsMax : loadMsMax, () => end('the estimate takes too long'));
  }

  return (question) => {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    asked = { resolve, reject };
    thread ??= workForService(start);
    thread.ref();
    thread.postMessage(question);
    limit();
    return promise;
  };
}
