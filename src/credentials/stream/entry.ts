// What an entry of the stream says: some events, or that there are more than it tells of. Who may write to Redis could
// write anything, so that what is read here may make this process refuse tokens, never accept one.
import { type Revocation, revocationOf } from '../../protocol/revocation.ts';

export const STREAM_KEY = 'tenantry:revocations';
/** Events of one entry: some 7 KB. */
export const ENTRY_EVENTS_MAX = 100;

const EVENTS = 'events';
const MORE = 'more';
const TEXT_MAX = 64 * 1024;
const EPOCH_MAX = 2 ** 31 - 1; // as in PostgreSQL

export type Fields = readonly [name: string, value: string];

/** An entry with these events, at most ENTRY_EVENTS_MAX of them. */
export function entryWith(events: readonly Revocation[]): Fields {
  return [EVENTS, JSON.stringify(events)];
}

/** An entry that says: something was revoked that is told of nowhere here, ask PostgreSQL. */
export const ENTRY_OF_MORE: Fields = [MORE, '1'];

export interface EntryRead {
  /** What can be believed as it is. */
  readonly events: readonly Revocation[];
  /** Whether there is something that only PostgreSQL can tell. */
  readonly asksForMore: boolean;
  /** Whether it is of a shape that no version of the service writes that this one knows. */
  readonly isMalformed: boolean;
}

/** Reads the fields of an entry, whoever wrote it. */
export function readEntry(fields: unknown): EntryRead {
  const [name, value] = Array.isArray(fields) ? fields : [];
  if (name === MORE) return { events: [], asksForMore: true, isMalformed: false };
  const listed = name === EVENTS && typeof value === 'string' ? parse(value) : null;
  if (!Array.isArray(listed) || listed.length > ENTRY_EVENTS_MAX) {
    return { events: [], asksForMore: true, isMalformed: true };
  }
  const all = listed.map(revocationOf).filter((event) => event !== null);
  const events = all.filter(isBelievable);
  return { events, asksForMore: events.length < listed.length, isMalformed: all.length < listed.length };
}

function parse(text: string): unknown {
  if (text.length > TEXT_MAX) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * An organization is let in again, and everything refused, on PostgreSQL's word alone. Both are rare, and the one would
 * give access, the other outlast what is remembered.
 */
function isBelievable(event: Revocation): boolean {
  if (event.kind === 'everything') return false;
  if (event.kind === 'organization') return event.state === 'suspended';
  return event.kind === 'session' || event.epoch <= EPOCH_MAX;
}
