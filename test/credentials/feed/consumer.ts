// A consumer of the revocation feed that does not use Tenantry's verifier. It reads each frame when the frame arrives.
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
    readonly extended?: readonly Revocation[];
    readonly more?: boolean;
    readonly at?: string;
    /** This member and the next four are those of a revocation. */
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
  /** The frames that have been read so far. */
  readonly frames: readonly Frame[];
  /** Returns the cursor that the consumer would send when it connects again. */
  readonly lastId: () => string;
  /** Reads until a frame fits. Returns the new frames up to this frame. Raises an error when the stream ends first. */
  until(fits: (frame: Frame) => boolean): Promise<Frame[]>;
  /** Reads until the next heartbeat. Returns the events before the heartbeat. */
  heartbeat(): Promise<Revocation[]>;
  /** Reads until the service ends the stream. */
  end(): Promise<Frame[]>;
  /** Stops reading and closes the connection. */
  leave(): void;
}

export interface ConsumeOptions {
  readonly lastEventId?: string;
  readonly query?: string;
  readonly accept?: string;
}

/** Opens the stream. The connection is closed when the test ends. */
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

/** Returns the revocations in the frames, in both forms. */
export function eventsOf(frames: readonly Frame[]): Revocation[] {
  return frames.flatMap(({ event, data }) =>
    event === 'snapshot'
      ? [...(data.extended ?? []), ...(data.events ?? [])]
      : event === 'revocation' || event === 'extended'
        ? [data as Revocation]
        : [],
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

/** Whether one of the events has all the wanted members. */
export function has(events: readonly Revocation[], wanted: Partial<Record<string, unknown>>): boolean {
  return events.some((event) =>
    Object.entries(wanted).every(([name, value]) => (event as Record<string, unknown>)[name] === value),
  );
}

/** Waits until the cursor of the service is after every revocation. An open transaction can delay the cursor. */
export async function untilSettled({ parts }: App, database: TestDatabase): Promise<void> {
  const [last] = await database.query<{ tx: string }>('SELECT max(tx)::text AS tx FROM revocations');
  await until(async () => {
    await parts.revocations.synchronize();
    return BigInt(parts.revocations.cursor().tx) > BigInt(last?.tx ?? 0);
  });
}
