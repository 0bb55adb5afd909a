// A consumer of the revocation feed, as a program in another language would write one: it reads frames as they come.
import type { Test } from 'tap';
import type { App } from '../../../src/app/app.ts';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import type { TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

export interface Frame {
  readonly event: string;
  readonly id: string | null;
  readonly data: {
    readonly cursor?: string;
    readonly events?: readonly Revocation[];
    readonly more?: boolean;
    readonly at?: string;
    /** Of a revocation. */
    readonly sid?: string;
    readonly sub?: string;
    readonly org?: string;
    readonly client_id?: string;
    readonly epoch?: number;
  };
}

export interface Consumer {
  readonly status: number;
  readonly headers: Headers;
  /** What has been read so far. */
  readonly frames: readonly Frame[];
  /** The cursor that it would come back with. */
  readonly lastId: () => string;
  /** Reads on until a frame fits; gives it and those before it. Raises when the stream ends first. */
  until(fits: (frame: Frame) => boolean): Promise<Frame[]>;
  /** Reads on until everything has been told; gives the events on the way. */
  heartbeat(): Promise<Revocation[]>;
  /** Reads on until the service ends the stream. */
  end(): Promise<Frame[]>;
  /** Reads nothing more and goes away. */
  leave(): void;
}

export interface ConsumeOptions {
  readonly lastEventId?: string;
  readonly query?: string;
  readonly accept?: string;
}

/** Opens the stream; it is left when the test ends. */
export async function consume(t: Test, url: string, token: string, options: ConsumeOptions = {}): Promise<Consumer> {
  const abort = new AbortController();
  t.teardown(() => abort.abort());
  const response = await fetch(`${url}/api/v1/revocations${options.query ?? ''}`, {
    headers: {
      accept: options.accept ?? 'text/event-stream',
      authorization: `Bearer ${token}`,
      ...(options.lastEventId === undefined ? {} : { 'last-event-id': options.lastEventId }),
    },
    signal: abort.signal,
  });
  const source = framesOf(response);
  const frames: Frame[] = [];
  let lastId = options.lastEventId ?? '';

  async function next(): Promise<Frame | null> {
    const { done, value } = await source.next();
    if (done) return null;
    frames.push(value);
    lastId = value.id ?? lastId;
    return value;
  }
  async function until(fits: (frame: Frame) => boolean): Promise<Frame[]> {
    const read: Frame[] = [];
    for (;;) {
      const frame = await next();
      if (!frame) throw new Error(`the stream ended after ${JSON.stringify(read).slice(0, 2000)}`);
      read.push(frame);
      if (fits(frame)) return read;
    }
  }
  return {
    status: response.status,
    headers: response.headers,
    frames,
    lastId: () => lastId,
    until,
    heartbeat: async () => eventsOf(await until(({ event }) => event === 'heartbeat')),
    async end() {
      const read: Frame[] = [];
      for (let frame = await next(); frame; frame = await next()) read.push(frame);
      return read;
    },
    leave: () => abort.abort(),
  };
}

/** The revocations that frames bring. */
export function eventsOf(frames: readonly Frame[]): Revocation[] {
  return frames.flatMap(({ event, data }) =>
    event === 'snapshot' ? (data.events ?? []) : event === 'revocation' ? [data as Revocation] : [],
  );
}

async function* framesOf(response: Response): AsyncGenerator<Frame, undefined> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body ?? []) {
    text += decoder.decode(piece, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const fields = text
        .slice(0, end)
        .split('\n')
        .map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)] as const);
      text = text.slice(end + 2);
      const named = new Map(fields);
      const data = named.get('data');
      if (data === undefined) continue;
      yield { event: named.get('event') ?? 'message', id: named.get('id') ?? null, data: JSON.parse(data) };
    }
  }
  return undefined;
}

/** Whether an event stands among others, by its members. */
export function has(events: readonly Revocation[], wanted: Partial<Record<string, unknown>>): boolean {
  return events.some((event) =>
    Object.entries(wanted).every(([name, value]) => (event as Record<string, unknown>)[name] === value),
  );
}

/** Waits until no transaction, of other tests either, holds back a cursor behind all that has happened. */
export async function untilSettled({ parts }: App, database: TestDatabase): Promise<void> {
  const [last] = await database.query<{ tx: string }>('SELECT max(tx)::text AS tx FROM revocations');
  await until(async () => {
    await parts.revocations.synchronize();
    return BigInt(parts.revocations.cursor().tx) > BigInt(last?.tx ?? 0);
  });
}
