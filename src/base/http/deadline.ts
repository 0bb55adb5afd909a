// The time that a request may take, from the end of its head until its answer: guards, body and operation together. The
// time limit of the framework ends when the body has been read, because Node then closes the request
// (https://github.com/fastify/fastify/pull/6725).
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Problem, problem } from '../errors/problem.ts';
import { type Run, Running } from '../loops/running.ts';
import type { Place } from '../platform/list.ts';

export interface TimeLimits {
  /** How long a request may take. */
  readonly requestMs: number;
  /**
   * How long the body of a request may take to arrive. This time is shorter than requestMs, so that the operation has
   * time left.
   */
  readonly bodyMs: number;
}

const DECORATOR = 'deadline';
const RETRY_SECONDS = 1;

export class Deadline {
  readonly #request: FastifyRequest;
  readonly #reply: FastifyReply;
  readonly #limits: TimeLimits;
  readonly #running: Running<Deadline>;
  readonly #place: Place<Run<Deadline>>;
  #closeListeners: (() => void)[] | undefined;
  #aborting: AbortController | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;
  #reason: Error | undefined;

  constructor(request: FastifyRequest, reply: FastifyReply, limits: TimeLimits, running: Running<Deadline>) {
    this.#request = request;
    this.#reply = reply;
    this.#limits = limits;
    this.#running = running;
    this.#place = running.begin(this);
    // Node emits this event exactly once: after the whole answer, or when the client disconnects before that.
    reply.raw.on('close', () => this.#atClose());
  }

  /**
   * Calls the listener when the whole answer has been sent, or when the connection ends before that. Returns the
   * function that removes the listener.
   */
  onClose(listener: () => void): () => void {
    if (this.#reply.raw.closed) {
      listener();
      return () => undefined;
    }
    this.#closeListeners ??= [];
    this.#closeListeners.push(listener);
    return () => {
      this.#closeListeners = this.#closeListeners?.filter((kept) => kept !== listener);
    };
  }

  #atClose(): void {
    this.lift();
    if (!this.#reply.raw.writableFinished) this.#abort(new DOMException('The client is gone.', 'AbortError'));
    for (const listener of this.#closeListeners ?? []) listener();
  }

  /** Aborts when the time is over or the client has disconnected. What the operation returns after that is not sent. */
  get signal(): AbortSignal {
    this.#aborting ??= new AbortController(); // only a few operations read it
    if (this.#reason !== undefined) this.#aborting.abort(this.#reason);
    return this.#aborting.signal;
  }

  /** True once the request has been ended because its time was over. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Removes the limit, for an answer that is sent in parts for as long as the client wants. */
  lift(): void {
    this.#running.end(this.#place);
    clearTimeout(this.#timer);
  }

  /** Call this when the time for the body is over. */
  atBodyLimit(): void {
    const { bodyMs, requestMs } = this.#limits;
    if (this.#isBodySlow()) this.#answer(problem('request_timeout'));
    else this.#timer = setTimeout(() => this.#answer(this.#late()), requestMs - bodyMs);
  }

  #late(): Problem {
    if (this.#isBodySlow()) return problem('request_timeout');
    const seconds = this.#limits.requestMs / 1000;
    return problem('service_busy', {
      retryAfterSeconds: RETRY_SECONDS,
      detail: `The service did not finish the request within ${seconds} seconds: try again after the seconds in Retry-After.`,
    });
  }

  /** Whether the body is being read and has not arrived completely. Then the sender is slow, and not the service. */
  #isBodySlow(): boolean {
    const { raw } = this.#request;
    return raw.readableFlowing === true && !raw.complete;
  }

  #abort(reason: Error): void {
    this.#reason = reason;
    this.#aborting?.abort(reason);
  }

  #answer(late: Problem): void {
    const { raw, sent } = this.#reply;
    if (sent) return; // the whole answer has already been written
    this.#isOver = true;
    this.#abort(late);
    // Once a part of an answer has been sent, no other answer can replace it. Only the end of the connection shows that
    // it is incomplete.
    if (raw.headersSent) raw.destroy();
    else this.#reply.send(late);
  }
}

/** Gives every request a deadline. Call this before any other hook is added. */
export function limitTime(app: FastifyInstance, limits: TimeLimits): void {
  const running = new Running<Deadline>(limits.bodyMs, (deadline) => deadline.atBodyLimit());
  app.decorateRequest(DECORATOR, null);
  app.addHook('onRequest', (request, reply, done) => {
    request.setDecorator(DECORATOR, new Deadline(request, reply, limits, running));
    done();
  });
}

/** The deadline of a request. */
export function deadlineOf(request: FastifyRequest): Deadline {
  return request.getDecorator<Deadline>(DECORATOR);
}
