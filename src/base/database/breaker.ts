// A circuit breaker for one PostgreSQL. While PostgreSQL does not answer, the circuit breaker refuses every request at
// once. No request is used to find out whether PostgreSQL answers again, because the circuit breaker probes it on
// connections of its own. outage.ts decides which errors are an outage.
import { createPauseWatch } from '../loops/pause-watch.ts';
import { Running } from '../loops/running.ts';
import { systemTiming, type Timing } from '../loops/timing.ts';
import { asUnavailable, DatabaseUnavailable, isOutage, isPoolExhausted, isUnreachable } from './outage.ts';

export interface Breaker {
  /** Runs the work. Raises DatabaseUnavailable for an outage, without running the work while the breaker is open. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Whether requests are refused without being tried. */
  isOpen(): boolean;
  /** Sends no more probes. */
  close(): void;
}

export interface BreakerOptions {
  /**
   * Probes PostgreSQL on connections of its own. Resolves when PostgreSQL answers, and otherwise rejects. The promise
   * must settle by itself, after a few seconds at most.
   */
  readonly probe: () => Promise<unknown>;
  /** Called when the work that waited while the breaker opened is abandoned, so that its connections can be closed. */
  readonly onGiveUp?: () => void;
  /** Called with each error that a caller of `run` gets. */
  readonly onError?: (error: unknown) => void;
  readonly timing?: Timing;
}

/** A failure that comes within this time delays no request, so it does not open the breaker. */
const SLOW_MS = 100;
/** Work that takes longer than this makes the breaker probe whether PostgreSQL answers at all. */
const SUSPECT_MS = 1_000;
const PROBE_EVERY_MS = 500;
/**
 * The maximum number of probes at the same time. A later probe may succeed where an earlier one waits for a lost
 * packet.
 */
const PROBES_MAX = 4;
/**
 * After a pause of this process that was longer than this, answers may have arrived that this process has not read yet.
 */
const OWN_PAUSE_MS_MAX = 300;
const OWN_PAUSE_TICK_MS = 100;
/**
 * How many silences in a row may be excused by pauses of this process. After that, the breaker opens even if this
 * process never runs long enough to read an answer.
 */
const OWN_SILENCES_MAX = 3;
/** How long work that began before the breaker opened may still wait. */
const WAIT_WHILE_OPEN_MS = 500;

type State = 'closed' | 'suspecting' | 'open';

interface CallOptions {
  /** Called once for each call that takes longer than SUSPECT_MS. */
  readonly onSlow: () => void;
  readonly onAnswer: () => void;
  /** Returns the error that the caller gets. */
  readonly judge: (error: unknown, begunAt: number) => unknown;
  readonly onError: ((error: unknown) => void) | undefined;
  readonly timing: Timing;
}

/** The calls that wait for PostgreSQL now. */
function createCalls({ onSlow, onAnswer, judge, onError, timing }: CallOptions) {
  const waiting = new Running<(reason: unknown) => void>(SUSPECT_MS, onSlow, timing);

  function fail(refuse: (reason: unknown) => void, error: unknown): void {
    onError?.(error);
    refuse(error);
  }

  return {
    /** Waits for the work, or until it is abandoned. After that, its result is ignored. */
    wait<T>(work: () => Promise<T>): Promise<T> {
      // Promise.race would create several more objects for each statement.
      return new Promise((resolve, refuse) => {
        const begunAt = timing.elapsed();
        const working = work();
        const call = waiting.begin(refuse);
        working.then(
          (result) => {
            if (!waiting.end(call)) return;
            onAnswer();
            resolve(result);
          },
          (error: unknown) => {
            if (waiting.end(call)) fail(refuse, judge(error, begunAt));
          },
        );
      });
    },
    refuse: () => new Promise<never>((_, refuse) => fail(refuse, noAnswer())),
    giveUp(): void {
      for (const refuse of waiting.endAll()) fail(refuse, noAnswer());
    },
  };
}

type Verdict = 'answer' | 'busy' | 'silence' | 'failure';

/**
 * What an error says after a wait of `waitedMs`: PostgreSQL answered, no connection was free, PostgreSQL did not
 * answer, or there was another outage, which says nothing about other calls.
 */
function verdictOf(error: unknown, waitedMs: number): Verdict {
  if (!isOutage(error)) return 'answer'; // an error that PostgreSQL returned is an answer too
  if (isPoolExhausted(error)) return 'busy';
  return isUnreachable(error) && waitedMs > SLOW_MS ? 'silence' : 'failure';
}

/** Probes PostgreSQL once or repeatedly. `onVerdict` gets each verdict with the time at which the probe began. */
function createProber(
  { probe, timing }: Required<Pick<BreakerOptions, 'probe' | 'timing'>>,
  onVerdict: (verdict: Verdict, begun: number) => void,
) {
  let running = 0;
  let cancel = () => {};

  async function ask(): Promise<void> {
    const begun = timing.elapsed();
    running += 1;
    const verdict = await probe().then(
      (): Verdict => 'answer',
      (error) => verdictOf(error, timing.elapsed() - begun),
    );
    running -= 1;
    onVerdict(verdict, begun);
  }

  function askAgain(): void {
    cancel = timing.after(PROBE_EVERY_MS, askAgain);
    if (running < PROBES_MAX) void ask();
  }

  return { ask, askAgain, stop: () => cancel() };
}

/** Knows which silences a pause of this process may explain. */
function watchOwnPauses(timing: Timing) {
  const pauses = createPauseWatch({ timing, tickMs: OWN_PAUSE_TICK_MS, pauseMsMax: OWN_PAUSE_MS_MAX });
  let excused = 0;
  pauses.start();
  return {
    /**
     * When the last pause since `begun` ended. Null if there was none, or if too many silences in a row were excused by
     * pauses.
     */
    resumedSince(begun: number): number | null {
      const resumedAt = pauses.resumedAt();
      return begun >= resumedAt || excused >= OWN_SILENCES_MAX ? null : resumedAt;
    },
    excuse() {
      excused += 1;
    },
    forget() {
      excused = 0;
    },
    stop: pauses.stop,
  };
}

const noAnswer = () => new DatabaseUnavailable('PostgreSQL does not answer');

/**
 * Creates a closed breaker. It opens when work, or a probe that slow work has caused, has waited for an answer of
 * PostgreSQL in vain. It closes when work gets an answer, and when a probe gets an answer or fails for a reason other
 * than such a wait. A lack of free connections alone neither opens nor closes it. If this process did not run during
 * the wait, this process may be the cause, so the breaker first probes again.
 */
export function createBreaker({ probe, onGiveUp, onError, timing = systemTiming }: BreakerOptions): Breaker {
  const calls = createCalls({ onSlow: suspect, onAnswer: calm, judge, onError, timing });
  const own = watchOwnPauses(timing);
  const prober = createProber({ probe, timing }, onVerdict);
  let state: State = 'closed';
  let suspectedAt = Number.NEGATIVE_INFINITY;
  let cancelGivingUp = () => {};
  let isClosed = false;

  function calm(): void {
    own.forget();
    if (state === 'closed') return;
    state = 'closed';
    cancelGivingUp();
    prober.stop();
  }

  function trip(): void {
    if (state === 'open' || isClosed) return;
    state = 'open';
    cancelGivingUp = timing.after(WAIT_WHILE_OPEN_MS, () => [calls.giveUp(), onGiveUp?.()]);
    prober.askAgain();
  }

  function onVerdict(verdict: Verdict, begun: number): void {
    if (verdict !== 'silence') calm();
    else if (state === 'suspecting') onSilence(begun);
  }

  function suspect(): void {
    const isRecent = timing.elapsed() - suspectedAt < SUSPECT_MS;
    if (state === 'closed' && !isRecent) askAnew();
  }

  function askAnew(): void {
    if (isClosed) return;
    state = 'suspecting';
    suspectedAt = timing.elapsed();
    void prober.ask();
  }

  /** PostgreSQL did not answer what was asked at `begun`. */
  function onSilence(begun: number): void {
    const resumedAt = own.resumedSince(begun);
    if (resumedAt === null) trip();
    else if (state === 'closed' || (state === 'suspecting' && suspectedAt < resumedAt)) {
      own.excuse();
      askAnew();
    } // otherwise a probe that began after the pause decides
  }

  function judge(error: unknown, begun: number): unknown {
    const verdict = verdictOf(error, timing.elapsed() - begun);
    if (verdict === 'busy') suspect();
    else if (verdict === 'silence') onSilence(begun);
    else if (verdict === 'answer' || state === 'suspecting') calm();
    return verdict === 'answer' ? error : asUnavailable(error);
  }

  return {
    run: (work) => (state === 'open' ? calls.refuse() : calls.wait(work)),
    isOpen: () => state === 'open',
    close() {
      isClosed = true;
      own.stop();
      calm();
    },
  };
}
