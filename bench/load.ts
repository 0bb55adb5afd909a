// The load client: raw HTTP/1.1 over sockets that stay open, one request at a time on each. The load client is a
// separate process, so that it shares no event loop with the measured program. The parent process sends Tasks, and
// receives a Tally for each Task.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** The parts of one request that differ from the task. */
export interface Turn {
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Task {
  readonly port: number;
  readonly method: 'GET' | 'POST' | 'PATCH';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly milliseconds: number;
  /** The largest number of requests, even if there is time left. */
  readonly requestsMax?: number;
  /** Bodies to send in turn. */
  readonly bodies?: readonly string[];
  /** Requests to send in turn, each with the parts that differ from the task. Used instead of `bodies`. */
  readonly turns?: readonly Turn[];
  /**
   * Refresh tokens, one or more for each connection. The token of each answer is presented when the turn of its chain
   * comes again. Used instead of `bodies`.
   */
  readonly tokens?: readonly string[];
  /** Whether the load continues after an answer that is not 2xx. */
  readonly goesOn?: boolean;
  /** Whether the tally lists every duration. */
  readonly keepDurations?: boolean;
}

export interface Tally {
  readonly operations: number;
  readonly seconds: number;
  readonly medianMilliseconds: number;
  /** The duration of each answer in milliseconds, the shortest first. Empty unless the task requests them. */
  readonly durations: readonly number[];
  /** The newest refresh token of each chain. */
  readonly tokens: readonly string[];
  /** The first answer that was not 2xx. */
  readonly failure: string | null;
  /** The number of answers that were not 2xx. */
  readonly failures: number;
}

/** One open connection. It sends a request and returns the status and the body of the answer. */
class Line {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #answered: ((answer: { status: number; body: string }) => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
      this.#read();
    });
    const lost = () => this.#answered?.({ status: 0, body: 'the connection was lost' });
    socket.on('error', lost).on('close', lost);
  }

  ask(request: string): Promise<{ status: number; body: string }> {
    return new Promise((resolve) => {
      this.#answered = resolve;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(): void {
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    const end = headEnd + 4 + length;
    if (this.#received.length < end) return;
    const body = this.#received.toString('utf8', headEnd + 4, end);
    this.#received = this.#received.subarray(end);
    this.#answered?.({ status: Number(head.slice(9, 12)), body });
  }
}

function requestText(task: Task, body: string | undefined, turn: Turn = {}): string {
  const headers = { host: `127.0.0.1:${task.port}`, ...task.headers, ...turn.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const content =
    body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return `${task.method} ${turn.path ?? task.path} HTTP/1.1\r\n${lines.join('')}${content}\r\n${body ?? ''}`;
}

async function perform(task: Task): Promise<Tally> {
  const tokens = [...(task.tokens ?? [])];
  const durations: number[] = [];
  const turns = task.turns ?? task.bodies?.map((body) => ({ body })) ?? [{}];
  const texts = turns.map((turn: Turn) => requestText(task, turn.body, turn));
  const begun = performance.now();
  let left = task.requestsMax ?? Number.POSITIVE_INFINITY;
  let turn = 0;
  let failure: string | null = null;
  let failures = 0;

  async function work(index: number): Promise<void> {
    const socket = connect(task.port, '127.0.0.1');
    await once(socket, 'connect');
    const line = new Line(socket);
    let chain = index;
    while ((failure === null || task.goesOn) && left > 0 && performance.now() - begun < task.milliseconds) {
      left -= 1;
      turn += 1;
      const request = task.tokens
        ? requestText(task, JSON.stringify({ refreshToken: tokens[chain] }))
        : (texts[turn % texts.length] ?? '');
      const sent = performance.now();
      const answer = await line.ask(request);
      durations.push(performance.now() - sent);
      if (answer.status < 200 || answer.status > 299) {
        failure ??= `${answer.status} ${answer.body}`;
        failures += 1;
      } else if (task.tokens) {
        tokens[chain] = JSON.parse(answer.body).data.refreshToken;
        chain = chain + task.connections < tokens.length ? chain + task.connections : index;
      }
    }
    line.close();
  }

  await Promise.all(Array.from({ length: task.connections }, (_, index) => work(index)));
  const seconds = (performance.now() - begun) / 1000;
  durations.sort((a, b) => a - b);
  const medianMilliseconds = durations[durations.length >> 1] ?? 0;
  const kept = task.keepDurations ? durations : [];
  return { operations: durations.length, seconds, medianMilliseconds, durations: kept, tokens, failure, failures };
}

process.on('message', async (task: Task) => {
  process.send?.(await perform(task));
});
process.once('disconnect', () => process.exit());
