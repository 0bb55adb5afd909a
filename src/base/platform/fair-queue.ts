// Shares a number of places fairly between subjects, such as organizations. While subjects wait, the one with the
// fewest places is served first. A subject that is alone may take more places, but one place stays free for the next
// subject. The queue and the wait are bounded. The service's own work is not bounded and has a place of its own.

/** Why a task was refused before it began. */
export type Refusal = 'queue is full' | 'waited too long' | 'requester is gone';

export interface FairQueueOptions {
  /** How many tasks run at once; Infinity when only the limits of each subject count. */
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

/** What a task asks for. */
export interface Turn {
  /** Whose share the task takes. Null for the service's own work. */
  readonly subject: string | null;
  /** The kind of the task. Tasks of one kind wait in the order in which they came. */
  readonly kind: string;
  /** How many tasks of this kind may run at once for one subject. */
  readonly atOnceMax: number;
  readonly onGone?: ((listener: () => void) => () => void) | undefined;
}

export interface FairQueue {
  /** Runs the work once its turn has come, and frees the place when the work has ended or failed. */
  run<T>(turn: Turn, work: () => Promise<T>): Promise<T>;
  readonly running: number;
  readonly waiting: number;
}

interface Subject {
  readonly key: string | null;
  running: number;
  readonly lanes: Map<string, Lane>;
}

/** The tasks of one subject and one kind. */
interface Lane {
  readonly subject: Subject;
  readonly kind: string;
  atOnceMax: number;
  running: number;
  readonly waiting: Set<Waiter>;
}

interface Waiter {
  begin(): void;
  refuse(error: Error): void;
}

/** Creates a queue without tasks. */
export function createFairQueue(options: FairQueueOptions): FairQueue {
  const { places } = options;
  const shared = Math.max(1, places - options.reserved);
  const subjects = new Map<string | null, Subject>();
  // Every lane in which a task waits. The lane that was served last comes last.
  const waitingLanes = new Set<Lane>();
  let running = 0;
  let runningForSubjects = 0;
  let waiting = 0;

  function laneOf({ subject: key, kind, atOnceMax }: Turn): Lane {
    let subject = subjects.get(key);
    if (!subject) {
      subject = { key, running: 0, lanes: new Map() };
      subjects.set(key, subject);
    }
    let lane = subject.lanes.get(kind);
    if (!lane) {
      lane = { subject, kind, atOnceMax, running: 0, waiting: new Set() };
      subject.lanes.set(kind, lane);
    }
    lane.atOnceMax = atOnceMax;
    return lane;
  }

  function mayBegin({ subject, atOnceMax, running: ofLane }: Lane): boolean {
    if (running >= places || ofLane >= atOnceMax) return false;
    if (subject.key === null) return true;
    return runningForSubjects < shared && subject.running < Math.max(1, shared - 1);
  }

  function begin(lane: Lane): void {
    running += 1;
    lane.running += 1;
    lane.subject.running += 1;
    if (lane.subject.key !== null) runningForSubjects += 1;
  }

  function end(lane: Lane): void {
    running -= 1;
    lane.running -= 1;
    lane.subject.running -= 1;
    if (lane.subject.key !== null) runningForSubjects -= 1;
    forgetIdle(lane);
    serveWaiting();
  }

  function forgetIdle({ subject, kind, running: ofLane, waiting: inLane }: Lane): void {
    if (ofLane === 0 && inLane.size === 0) subject.lanes.delete(kind);
    if (subject.lanes.size === 0) subjects.delete(subject.key);
  }

  /** The lane to serve next: of the subjects with the fewest places, the one that has waited longest for its turn. */
  function nextLane(): Lane | undefined {
    let best: Lane | undefined;
    for (const lane of waitingLanes) {
      if (best && lane.subject.running >= best.subject.running) continue;
      if (mayBegin(lane)) best = lane;
      if (best?.subject.running === 0) break;
    }
    return best;
  }

  function serveWaiting(): void {
    for (let lane = nextLane(); lane; lane = nextLane()) {
      const [waiter] = lane.waiting;
      waitingLanes.delete(lane);
      waitingLanes.add(lane);
      begin(lane);
      waiter?.begin();
    }
  }

  function wait(lane: Lane, { subject, onGone }: Turn): Promise<void> {
    if (subject !== null && lane.waiting.size >= options.waitingMax) {
      forgetIdle(lane);
      throw options.refusal('queue is full');
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let stopListening: (() => void) | undefined;
    const leave = () => {
      if (!lane.waiting.delete(waiter)) return false;
      waiting -= 1;
      if (lane.waiting.size === 0) waitingLanes.delete(lane);
      clearTimeout(timer);
      stopListening?.();
      return true;
    };
    const waiter: Waiter = {
      begin: () => void (leave() && resolve()),
      refuse(error) {
        if (!leave()) return;
        forgetIdle(lane);
        reject(error);
      },
    };
    const refuse = (why: Refusal) => () => waiter.refuse(options.refusal(why));
    const isBounded = Number.isFinite(options.waitMs);
    const timer = isBounded ? setTimeout(refuse('waited too long'), options.waitMs) : undefined;
    lane.waiting.add(waiter);
    waitingLanes.add(lane);
    waiting += 1;
    stopListening = onGone?.(refuse('requester is gone'));
    return promise;
  }

  return {
    async run(turn, work) {
      const lane = laneOf(turn);
      if (lane.waiting.size === 0 && mayBegin(lane)) begin(lane);
      else await wait(lane, turn);
      try {
        return await work();
      } finally {
        end(lane);
      }
    },
    get running() {
      return running;
    },
    get waiting() {
      return waiting;
    },
  };
}
