// A circuit breaker for one PostgreSQL. While PostgreSQL does not answer, no request is used to find out whether it
// answers again: the circuit breaker probes it on its own connections, and refuses every request at once. outage.ts
// decides which errors are an outage.
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
   * Probes PostgreSQL on connections of its own. Resolves with its answer and rejects with its error. It must settle by
   * itself, after a few seconds at most.
   */
  readonly probe: () => Promise<unknown>;
  /** Called when the work that waited while the breaker opened is abandoned, so that its connections can be closed. */
  readonly onGiveUp?: () => void;
  readonly timing?: Timing;
}

/** A refusal that takes no longer than this delays no request, so it does not open the breaker. */
const SLOW_MS = 100;
/** Work that takes longer than this makes the breaker probe whether PostgreSQL answers at all. */
const SUSPECT_MS = 1_000;
const PROBE_EVERY_MS = 500;
/** Probes at the same time. A later probe may succeed where an earlier one waits for a lost packet. */
const PROBES_MAX = 4;
/** How long work that began before the breaker opened may still wait. */
const WAIT_WHILE_OPEN_MS = 500;

type State = 'closed' | 'suspecting' | 'open';

/** The calls that wait for PostgreSQL now. */
function createCalls() {
  const waiting = new Set<{ refuse: (reason: Error) => void; isGivenUp: boolean }>();
  return {
    /** Waits for the work, or until it is abandoned. `onError` changes the error of the work. */
    async wait<T>(work: () => Promise<T>, onError: (error: unknown) => unknown): Promise<T> {
      const { promise: givenUp, reject: refuse } = Promise.withResolvers<never>();
      const call = { refuse, isGivenUp: false };
      waiting.add(call);
      try {
        return await Promise.race([work(), givenUp]);
      } catch (error) {
        throw call.isGivenUp ? error : onError(error);
      } finally {
        waiting.delete(call);
      }
    },
    giveUp(): void {
      for (const call of waiting) {
        call.isGivenUp = true;
        call.refuse(noAnswer());
      }
    },
  };
}

/**
 * What an error says after a wait of `waitedMs`: PostgreSQL answered, no connection was free, PostgreSQL did not answer, or
 * another outage, which says nothing about other calls.
 */
function verdictOf(error: unknown, waitedMs: number): 'answer' | 'busy' | 'silence' | 'failure' {
  if (!isOutage(error)) return 'answer'; // an error that PostgreSQL returned is an answer too
  if (isPoolExhausted(error)) return 'busy';
  return isUnreachable(error) && waitedMs > SLOW_MS ? 'silence' : 'failure';
}

const noAnswer = () => new DatabaseUnavailable('PostgreSQL does not answer');

/**
 * Creates a closed breaker. It opens when work, or a probe because of slow work, ends without an answer of PostgreSQL.
 * It closes at the first answer of any kind. A lack of free connections alone neither opens nor closes it.
 */
export function createBreaker({ probe, onGiveUp, timing = systemTiming }: BreakerOptions): Breaker {
  const calls = createCalls();
  let state: State = 'closed';
  let probes = 0;
  let suspectedAt = Number.NEGATIVE_INFINITY;
  let cancelGivingUp = () => {};
  let cancelProbe = () => {};
  let isClosed = false;

  function calm(): void {
    if (state === 'closed') return;
    state = 'closed';
    cancelGivingUp();
    cancelProbe();
  }

  function trip(): void {
    if (state === 'open' || isClosed) return;
    state = 'open';
    cancelGivingUp = timing.after(WAIT_WHILE_OPEN_MS, () => [calls.giveUp(), onGiveUp?.()]);
    probeAgain();
  }

  function probeAgain(): void {
    cancelProbe = timing.after(PROBE_EVERY_MS, probeAgain);
    if (probes < PROBES_MAX) void ask();
  }

  async function ask(): Promise<void> {
    const begun = timing.elapsed();
    probes += 1;
    const verdict = await probe().then(
      () => 'answer',
      (error) => verdictOf(error, timing.elapsed() - begun),
    );
    probes -= 1;
    if (verdict !== 'silence') calm();
    else if (state === 'suspecting') trip();
  }

  function suspect(): void {
    const isRecent = timing.elapsed() - suspectedAt < SUSPECT_MS;
    if (state !== 'closed' || isRecent || isClosed) return;
    state = 'suspecting';
    suspectedAt = timing.elapsed();
    void ask();
  }

  function judge(error: unknown, begun: number): unknown {
    const verdict = verdictOf(error, timing.elapsed() - begun);
    if (verdict === 'busy') suspect();
    else if (verdict === 'silence') trip();
    else if (verdict === 'answer' || state === 'suspecting') calm();
    return verdict === 'answer' ? error : asUnavailable(error);
  }

  return {
    async run(work) {
      if (state === 'open') throw noAnswer();
      const begun = timing.elapsed();
      const cancelSuspicion = timing.after(SUSPECT_MS, suspect);
      try {
        const result = await calls.wait(work, (error) => judge(error, begun));
        calm();
        return result;
      } finally {
        cancelSuspicion();
      }
    },
    isOpen: () => state === 'open',
    close() {
      isClosed = true;
      calm();
    },
  };
}
