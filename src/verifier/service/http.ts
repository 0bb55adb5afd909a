// One HTTP request with limits: on its whole duration and on the size of the answer's body (CWE-400). It follows no
// redirects.
import type { Timing } from '../core/clock.ts';
import type { Fetch } from '../core/options.ts';

export interface HttpDeps {
  readonly fetch: Fetch;
  readonly timing: Timing;
  /** Aborted when the verifier closes: running requests are given up, and no new one starts. */
  readonly ended?: AbortSignal;
}

export interface Exchange {
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutMilliseconds: number;
  readonly bytesMax: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** Sends a request and reads the whole answer. Raises Error with a message for operators. */
export async function exchange(deps: HttpDeps, { url, ...request }: Exchange): Promise<Answer> {
  const abort = new AbortController();
  const stop = () => abort.abort(new Error(`${url} gets no more requests: the verifier was closed`));
  deps.ended?.addEventListener('abort', stop, { once: true });
  if (deps.ended?.aborted) stop();
  const late = () => abort.abort(new Error(`${url} did not answer within ${request.timeoutMilliseconds} ms`));
  const callOff = deps.timing.after(request.timeoutMilliseconds, late, 'waits');
  try {
    abort.signal.throwIfAborted();
    // A custom fetch may ignore the signal. The race also applies the time limit to such a fetch.
    return await Promise.race([answerOf(deps, url, request, abort.signal), aborted(abort.signal)]);
  } catch (error) {
    if (abort.signal.aborted) throw abort.signal.reason;
    throw new Error(`${url} cannot be read: ${sentence(error)}`, { cause: error });
  } finally {
    callOff();
    deps.ended?.removeEventListener('abort', stop);
    abort.abort();
  }
}

async function answerOf(
  deps: HttpDeps,
  url: string,
  request: Omit<Exchange, 'url'>,
  signal: AbortSignal,
): Promise<Answer> {
  const response = await deps.fetch(url, {
    method: request.method ?? 'GET',
    headers: { ...request.headers },
    ...(request.body === undefined ? {} : { body: request.body }),
    redirect: 'error',
    signal,
  });
  return { status: response.status, headers: response.headers, text: await boundedText(response, request.bytesMax) };
}

async function boundedText(response: Response, bytesMax: number): Promise<string> {
  if (!response.body) return '';
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

/** The message of an error with that of its cause, because `fetch failed` alone does not help. */
export function sentence(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? error.cause : undefined;
  const { code } = (cause ?? {}) as { code?: unknown };
  const detail = cause ? cause.message || String(code ?? '') : '';
  return detail ? `${error.message} (${detail})` : error.message;
}
