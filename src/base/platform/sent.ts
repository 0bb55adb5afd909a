// Notes whether the work of a request has sent anything to PostgreSQL. Until then a failed request has certainly changed
// nothing. After that nobody knows: PostgreSQL may have carried out what it never answered.
import { currentRequester } from './requester.ts';

/** Call this when a connection is there and before the first statement that may change something. */
export function noteSent(): void {
  const requester = currentRequester();
  if (requester) requester.isSent = true;
}
