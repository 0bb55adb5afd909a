// Notes whether the work of a request has sent anything to PostgreSQL. Until then a failed request has certainly changed
// nothing. After that nobody knows: PostgreSQL may have executed a statement whose answer never arrived.
import { AsyncLocalStorage } from 'node:async_hooks';

export interface SentNote {
  isSent: boolean;
}

const notes = new AsyncLocalStorage<SentNote>();

/** Runs the work. Its first statement, in whichever function, is noted. */
export function noteWhatIsSent<T>(note: SentNote, work: () => T): T {
  return notes.run(note, work);
}

/** Call this when a connection is open and before the first statement that may change something. */
export function noteSent(): void {
  const note = notes.getStore();
  if (note) note.isSent = true;
}
