// Notes whether the work of a request has sent anything to PostgreSQL. Until then a failed request has certainly
// changed nothing. After that nobody knows: PostgreSQL may have executed a statement whose answer never arrived.
import { currentRequester } from './requester.ts';

/** Call this when a connection is open and before the first statement that may change something. */
export function noteSent(): void {
  const requester = currentRequester();
  if (requester) requester.isSent = true;
}
