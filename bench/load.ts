// Owns: the load client, a process of its own so that it shares no event loop with what is measured: raw HTTP/1.1 over
// kept-open sockets, one request at a time on each. Its parent sends a Task and gets a Tally for each.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Task {
  readonly port: number;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly connections: number;
  readonly milliseconds: number;
  /** At most so many requests, even if there is time left. */
  readonly requestsMax?: number;
  /** Bodies to send in turn. */
  readonly bodies?: readonly string[];
  /** One refresh token for each connection: each answer's token is presented next. Takes the place of bodies. */
  readonly tokens?: readonly string[];
}

export interface Tally {
  readonly operations: number;
  readonly seconds: number;
  readonly medianMilliseconds: number;
  /** Where the chains of refresh tokens have got to. */
  readonly tokens: readonly string[];
  /** The first answer that was not 2xx. */
  readonly failure: string | null;
}

/** One open connection: sends a request and gives the status and the body of its answer. */
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

function requestText(task: Task, body: string | undefined): string {
  const headers = { host: `127.0.0.1:${task.port}`, ...task.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const content =
    body === undefined ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`;
  return `${task.method} ${task.path} HTTP/1.1\r\n${lines.join('')}${content}\r\n${body ?? ''}`;
}

async function perform(task: Task): Promise<Tally> {
  const tokens = [...(task.tokens ?? [])];
  const durations: number[] = [];
  const fixed = task.bodies || task.tokens ? undefined : requestText(task, undefined);
  const begun = performance.now();
  let left = task.requestsMax ?? Number.POSITIVE_INFINITY;
  let turn = 0;
  let failure: string | null = null;

  async function work(index: number): Promise<void> {
    const socket = connect(task.port, '127.0.0.1');
    await once(socket, 'connect');
    const line = new Line(socket);
    while (failure === null && left > 0 && performance.now() - begun < task.milliseconds) {
      left -= 1;
      turn += 1;
      const body = task.tokens
        ? JSON.stringify({ refreshToken: tokens[index] })
        : task.bodies?.[turn % task.bodies.length];
      const sent = performance.now();
      const answer = await line.ask(fixed ?? requestText(task, body));
      durations.push(performance.now() - sent);
      if (answer.status < 200 || answer.status > 299) failure ??= `${answer.status} ${answer.body}`;
      else if (task.tokens) tokens[index] = JSON.parse(answer.body).data.refreshToken;
    }
    line.close();
  }

  await Promise.all(Array.from({ length: task.connections }, (_, index) => work(index)));
  const seconds = (performance.now() - begun) / 1000;
  durations.sort((a, b) => a - b);
  const medianMilliseconds = durations[durations.length >> 1] ?? 0;
  return { operations: durations.length, seconds, medianMilliseconds, tokens, failure };
}

process.on('message', async (task: Task) => {
  process.send?.(await perform(task));
});
process.once('disconnect', () => process.exit());
