// Shares a number of places fairly between subjects, such as organizations. While subjects wait, the one with the
// fewest places is served first. A subject that is alone may take more places, but one place stays free for the next
// subject. The number of tasks of one subject that wait is bounded, and so is the time that a task waits, unless
// `waitMs` is Infinity. The service's own tasks may wait in any number, and places may be reserved for them.
import { List, type Place } from './list.ts';
import type { Requester } from './requester.ts';

/** Why a task was refused before it began. */
export type Refusal = 'queue is full' | 'waited too long' | 'requester is gone';

export interface FairQueueOptions {
  /** How many tasks run at the same time; Infinity when only the limits of each subject count. */
  readonly places: number;
  /** How many of these places only the service's own tasks may take. */
  readonly reserved: number;
  /** How many tasks of one subject may wait. */
  readonly waitingMax: number;
  /** How long a task may wait; Infinity for no limit. */
  readonly waitMs: number;
  /** Creates the error of a refused task. */
  readonly refusal: (why: Refusal) => Error;
}

/** What a task requires. */
export interface Turn {
  /** Whose share the task takes. Null for the service's own work. */
  readonly subject: string | null;
  /** The kind of the task. Tasks of one kind wait in the order in which they came. */
  readonly kind: string;
  /** How many tasks of this kind may run at the same time for one subject. */
  readonly atOnceMax: number;
  /** The requester for whom the task waits. When the requester is gone, the task is refused. */
  readonly requester?: Pick<Requester, 'onGone'> | undefined;
}

interface Subject {
  readonly key: string | null;
  running: number;
  /** One lane for each kind of task. There are few kinds. */
  readonly lanes: Lane[];
}

/** The tasks of one subject and one kind. */
interface Lane {
  readonly subject: Subject;
  readonly kind: string;
  atOnceMax: number;
  running: number;
  readonly waiting: List<Waiter>;
  /** The place of this lane among those in which a task waits; null if no task waits in this lane. */
  place: Place<Lane> | null;
}

interface Waiter {
  begin(): void;
  refuse(why: Refusal): void;
}

/**
 * At most this number of subjects is remembered after their tasks have ended, because most of them come again. Each
 * takes about 400 bytes.
 */
const SUBJECTS_REMEMBERED = 1_000;

/**
 * Many requests that arrive at the same moment also reach the limit of the wait at the same moment, and answering each
 * of them takes time. So only this number of them is refused before other events are handled.
 */
const REFUSED_AT_ONCE = 8;

export class FairQueue {
  readonly #options: FairQueueOptions;
  readonly #sharedPlaces: number;
  readonly #subjects = new Map<string | null, Subject>();
  // Every lane in which a task waits. The lane that was served last comes last.
  readonly #waitingLanes = new List<Lane>();
  /** The tasks that have waited for too long and are not refused yet. One of them may still begin. */
  readonly #overdue = new List<Waiter>();
  #isRefusing = false;
  #running = 0;
  #runningForSubjects = 0;
  #waiting = 0;

  constructor(options: FairQueueOptions) {
    this.#options = options;
    this.#sharedPlaces = Math.max(1, options.places - options.reserved);
  }

  get running(): number {
    return this.#running;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Runs the work once its turn has come, and frees the place when the work has ended or failed. Raises the error that
   * `refusal` creates when the task is refused.
   */
  async run<T>(turn: Turn, work: () => Promise<T>): Promise<T> {
    const lane = this.#laneOf(turn);
    if (lane.waiting.size === 0 && this.#mayBegin(lane)) this.#begin(lane);
    else await this.#wait(lane, turn);
    try {
      return await work();
    } finally {
      this.#end(lane);
    }
  }

  #laneOf({ subject: key, kind, atOnceMax }: Turn): Lane {
    let subject = this.#subjects.get(key);
    if (!subject) {
      subject = { key, running: 0, lanes: [] };
      this.#subjects.set(key, subject);
    }
    for (const lane of subject.lanes) {
      if (lane.kind !== kind) continue;
      lane.atOnceMax = atOnceMax;
      return lane;
    }
    const lane = { subject, kind, atOnceMax, running: 0, waiting: new List<Waiter>(), place: null };
    subject.lanes.push(lane);
    return lane;
  }

  #mayBegin({ subject, atOnceMax, running }: Lane): boolean {
    if (this.#running >= this.#options.places || running >= atOnceMax) return false;
    if (subject.key === null) return true;
    return this.#runningForSubjects < this.#sharedPlaces && subject.running < Math.max(1, this.#sharedPlaces - 1);
  }

  #begin(lane: Lane): void {
    this.#running += 1;
    lane.running += 1;
    lane.subject.running += 1;
    if (lane.subject.key !== null) this.#runningForSubjects += 1;
  }

  #end(lane: Lane): void {
    this.#running -= 1;
    lane.running -= 1;
    lane.subject.running -= 1;
    if (lane.subject.key !== null) this.#runningForSubjects -= 1;
    this.#forgetIdle(lane.subject);
    if (this.#waiting > 0) this.#serveWaiting();
  }

  #forgetIdle({ key, running, lanes }: Subject): void {
    if (this.#subjects.size <= SUBJECTS_REMEMBERED || running > 0) return;
    if (lanes.every(({ waiting }) => waiting.size === 0)) this.#subjects.delete(key);
  }

  #serveWaiting(): void {
    for (let lane = this.#nextLane(); lane; lane = this.#nextLane()) {
      if (lane.place) this.#waitingLanes.moveToEnd(lane.place);
      this.#begin(lane);
      lane.waiting.first?.item?.begin();
    }
  }

  /** The lane to serve next: of the subjects with the fewest places, the one that has waited longest for its turn. */
  #nextLane(): Lane | undefined {
    let best: Lane | undefined;
    for (let place = this.#waitingLanes.first; place?.item; place = this.#waitingLanes.after(place)) {
      const lane = place.item;
      if (best && lane.subject.running >= best.subject.running) continue;
      if (this.#mayBegin(lane)) best = lane;
      if (best?.subject.running === 0) break;
    }
    return best;
  }

  #wait(lane: Lane, { subject, requester }: Turn): Promise<void> {
    const { waitingMax, waitMs, refusal } = this.#options;
    const { waiting } = lane;
    if (subject !== null && waiting.size >= waitingMax) {
      this.#forgetIdle(lane.subject);
      throw refusal('queue is full');
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let stopListening: (() => void) | undefined;
    let overdue: Place<Waiter> | undefined;
    const leave = () => {
      if (!waiting.leave(place)) return false;
      this.#waiting -= 1;
      if (waiting.size === 0 && lane.place) {
        this.#waitingLanes.leave(lane.place);
        lane.place = null;
      }
      clearTimeout(timer);
      if (overdue) this.#overdue.leave(overdue);
      stopListening?.();
      return true;
    };
    const waiter: Waiter = {
      begin: () => void (leave() && resolve()),
      refuse: (why) => {
        if (!leave()) return;
        this.#forgetIdle(lane.subject);
        reject(refusal(why));
      },
    };
    const refuseSoon = () => {
      overdue = this.#overdue.add(waiter);
      if (!this.#isRefusing) setImmediate(() => this.#refuseSome());
      this.#isRefusing = true;
    };
    const timer = Number.isFinite(waitMs) ? setTimeout(refuseSoon, waitMs) : undefined;
    const place = waiting.add(waiter);
    lane.place ??= this.#waitingLanes.add(lane);
    this.#waiting += 1;
    stopListening = requester?.onGone(() => waiter.refuse('requester is gone'));
    return promise;
  }

  #refuseSome(): void {
    for (let refused = 0; refused < REFUSED_AT_ONCE; refused += 1) {
      this.#overdue.first?.item?.refuse('waited too long');
    }
    this.#isRefusing = this.#overdue.size > 0;
    if (this.#isRefusing) setImmediate(() => this.#refuseSome());
  }
}
