// One connection to the feed, from its opening to its end.
import type { ClientToken } from '../service/client-token.ts';
import { type HttpDeps, sentence } from '../service/http.ts';
import { createSseReader } from './sse.ts';
import type { FeedState } from './state.ts';

export interface FeedStreamDeps extends HttpDeps {
  readonly feed: string;
  readonly token: ClientToken;
}

// A little longer than three heartbeats take. After so long a silence, the connection is broken, or the replica is out
// of date and another replica may be better.
export const SILENCE_MILLISECONDS_MAX = 10_000;
const EVENT_CHARACTERS_MAX = 32 * 1024 * 1024;

/**
 * Reads the feed until the service ends it. Raises Error if the connection cannot be opened, breaks or is silent for
 * too long. The cause is CredentialsRefused if the service refused to issue a token.
 */
export async function followStream(deps: FeedStreamDeps, state: FeedState, ended: AbortSignal): Promise<void> {
  const abort = new AbortController();
  const stop = () => abort.abort(ended.reason);
  ended.addEventListener('abort', stop, { once: true });
  const silent = () => new Error(`${deps.feed} was silent for ${SILENCE_MILLISECONDS_MAX / 1000} s`);
  const silence = () => abort.abort(silent());
  let callOff = () => {};
  let heardAt = deps.timing.elapsed();
  const restartSilence = () => {
    callOff();
    // A process that was suspended reads old data when it continues, and does not know how old the data is.
    if (deps.timing.elapsed() - heardAt > SILENCE_MILLISECONDS_MAX) throw silent();
    heardAt = deps.timing.elapsed();
    callOff = deps.timing.after(SILENCE_MILLISECONDS_MAX, silence);
  };
  try {
    const token = await deps.token.get();
    if (ended.aborted) return;
    heardAt = deps.timing.elapsed();
    restartSilence();
    state.begin();
    const response = await open(deps, state, token, abort.signal);
    const reader = createSseReader(EVENT_CHARACTERS_MAX);
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      restartSilence();
      for (const frame of reader.read(decoder.decode(chunk, { stream: true }))) state.take(frame);
    }
  } catch (error) {
    const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
    throw new Error(`The feed of revocations cannot be followed: ${sentence(reason)}`, { cause: reason });
  } finally {
    callOff();
    ended.removeEventListener('abort', stop);
    abort.abort();
  }
}

async function open(deps: FeedStreamDeps, state: FeedState, token: string, signal: AbortSignal): Promise<Response> {
  const cursor = state.cursor();
  const response = await deps.fetch(deps.feed, {
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
      ...(cursor === null ? {} : { 'last-event-id': cursor }),
    },
    redirect: 'error',
    signal,
  });
  const { status, headers } = response;
  if (status === 200 && /^text\/event-stream\s*(?:;|$)/i.test(headers.get('content-type') ?? '')) return response;
  if (status === 401) deps.token.forget();
  // The cursor may be the reason for a bad request.
  else if (status >= 400 && status < 500 && status !== 403 && status !== 429) state.forgetCursor();
  const hint = status === 403 ? ': give the client the permission revocations:read' : '';
  throw new Error(`${deps.feed} answered ${status} instead of a stream${hint}`);
}
