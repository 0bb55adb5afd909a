// Sends unchanged bytes over a socket, for requests that no client library would send, and reads the answers. Also
// checks the format that every problem must have.
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Test } from 'tap';
import { PROBLEMS, type ProblemCode } from '../../src/base/errors/problem.ts';

export interface RawReply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly text: string;
}

/**
 * Writes the parts one after the other. Returns the first answer, or status 0 when the connection ends without an
 * answer. Parts that were not written before the answer arrives are not sent.
 */
export function sendRaw(url: string, ...pieces: (string | Buffer)[]): Promise<RawReply> {
  const { hostname, port } = new URL(url);
  const bodyless = String(pieces[0]).startsWith('HEAD ');
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  return new Promise((resolve) => {
    const finish = () => {
      resolve(parseReply(Buffer.concat(chunks)).reply);
      socket.destroy();
    };
    const writeNext = () => {
      const piece = pieces.shift();
      if (piece !== undefined && socket.writable) socket.write(piece, writeNext);
    };
    socket.on('connect', writeNext);
    socket.on('error', finish);
    socket.on('close', finish);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      const { reply, isWhole } = parseReply(Buffer.concat(chunks));
      if (isWhole || (bodyless && reply.status > 0)) finish();
    });
  });
}

/** A connection over which several requests are sent. */
export interface RawConnection {
  write(bytes: string): void;
  /**
   * Returns the next answer, or null if the connection ends before one arrives. Every answer must have a
   * Content-Length.
   */
  next(): Promise<RawReply | null>;
  /** Resolves when the other side has ended the connection, with the number of answers that nobody took. */
  ended(): Promise<number>;
}

/** Opens a connection for unchanged bytes. */
export async function openRaw(t: Test, url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  t.teardown(() => socket.destroy());
  let bytes = Buffer.alloc(0);
  let isOver = false;
  let notify = () => {};
  const changed = () => new Promise<void>((resolve) => (notify = resolve));
  socket.on('data', (chunk) => {
    bytes = Buffer.concat([bytes, chunk]);
    notify();
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    isOver = true;
    notify();
  });
  const take = () => {
    const { reply, isWhole } = parseReply(bytes);
    if (!isWhole) return null;
    const length = Number(reply.headers.get('content-length'));
    bytes = bytes.subarray(bytes.indexOf('\r\n\r\n') + 4 + length);
    return { ...reply, text: Buffer.from(reply.text).toString('utf8', 0, length) };
  };
  await once(socket, 'connect');
  return {
    write: (text) => void socket.write(text),
    async next() {
      for (;;) {
        const reply = take();
        if (reply || isOver) return reply;
        await changed();
      }
    },
    async ended() {
      while (!isOver) await changed();
      let left = 0;
      while (take()) left += 1;
      return left;
    },
  };
}

function parseReply(bytes: Buffer): { reply: RawReply; isWhole: boolean } {
  const end = bytes.indexOf('\r\n\r\n');
  const [line = '', ...fields] = bytes.subarray(0, Math.max(end, 0)).toString('latin1').split('\r\n');
  const headers = new Map(
    fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()] as const;
    }),
  );
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1] ?? 0);
  const rest = end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4);
  const chunked = headers.get('transfer-encoding') === 'chunked';
  const length = Number(headers.get('content-length') ?? Number.POSITIVE_INFINITY);
  const isWhole = status > 0 && (chunked ? rest.toString('latin1').endsWith('0\r\n\r\n') : rest.length >= length);
  const body = chunked ? joined(rest) : rest;
  return { reply: { status, headers, text: body.toString('utf8') }, isWhole };
}

/** Returns the content of a chunked body (RFC 9112 §7.1). */
function joined(rest: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < rest.length; ) {
    const start = rest.indexOf('\r\n', at) + 2;
    const size = Number.parseInt(rest.subarray(at, start).toString('latin1'), 16);
    if (start < 2 || !(size > 0)) break;
    parts.push(rest.subarray(start, start + size));
    at = start + size + 2;
  }
  return Buffer.concat(parts);
}

/** Returns the head of a request. The lines in `fields` are sent unchanged. The Host header is added. */
export function requestHead(method: string, target: string, ...fields: string[]): string {
  return [`${method} ${target} HTTP/1.1`, 'Host: service.test', ...fields, '', ''].join('\r\n');
}

const UUID_OR_SENT = /^[A-Za-z0-9._-]{1,128}$/;

/** Returns the differences of a refusal from RFC 9457 and the table of problems. [] when there are none. */
export function flawsOfProblem(reply: {
  readonly status: number;
  readonly headers: { get(name: string): string | null | undefined };
  readonly text: string;
}): string[] {
  const flaws: string[] = [];
  const expect = (good: boolean, flaw: string) => good || flaws.push(flaw);
  expect(reply.status >= 400 && reply.status < 500, `status ${reply.status}`);
  expect(/^application\/problem\+json/.test(reply.headers.get('content-type') ?? ''), 'content-type');
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(reply.text) as Record<string, unknown>;
  } catch {
    flaws.push(`body ${JSON.stringify(reply.text.slice(0, 80))}`);
  }
  const kind = PROBLEMS[body.code as ProblemCode];
  expect(kind !== undefined && kind.status === reply.status, `code ${String(body.code)}`);
  expect(body.status === reply.status, 'member status');
  expect(body.title === kind?.title, 'member title');
  expect(body.type === `/problems/${String(body.code).replaceAll('_', '-')}`, 'member type');
  expect(typeof body.detail === 'string' && body.detail !== '', 'member detail');
  expect(body.error === body.detail, 'member error');
  expect(UUID_OR_SENT.test(String(body.requestId)), 'member requestId');
  expect(reply.headers.get('x-request-id') === body.requestId, 'x-request-id');
  expect(body.code !== 'validation_failed' || areIssues(body.issues), 'member issues');
  return flaws;
}

function areIssues(issues: unknown): boolean {
  if (!Array.isArray(issues) || issues.length === 0) return false;
  return issues.every(({ path, message }) => typeof path === 'string' && typeof message === 'string' && message !== '');
}

/** Asserts the status and the code of a refusal, and the format of a problem. */
export function refused(
  t: Test,
  reply: Parameters<typeof flawsOfProblem>[0],
  codes: ProblemCode | readonly ProblemCode[],
  what: string,
): void {
  const code = /"code":"(\w+)"/.exec(reply.text)?.[1] ?? '';
  const flaws = flawsOfProblem(reply);
  const expected = [codes].flat();
  if (!expected.includes(code as ProblemCode))
    flaws.unshift(`answered ${reply.status} ${code}, not ${expected.join('/')}`);
  t.strictSame(flaws, [], what);
}
