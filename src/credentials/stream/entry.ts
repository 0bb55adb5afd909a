// The content of a stream entry: some events, or a note that PostgreSQL has more events. Anyone who can write to Redis
// can write anything. So an entry can make this process refuse a token, but never accept one.
import { olderFormOf, type Revocation, revocationOf } from '../../protocol/revocation.ts';

export const STREAM_KEY = 'tenantry:revocations';
/** Events of one entry: about 7 KB. */
export const ENTRY_EVENTS_MAX = 100;

const EVENTS = 'events';
const MORE = 'more';
const TEXT_MAX = 64 * 1024;
const EPOCH_MAX = 2 ** 31 - 1; // as in PostgreSQL

export type Fields = readonly [name: string, value: string];

/**
 * An entry with these events, at most ENTRY_EVENTS_MAX of them. They are written in the form that a replica of the
 * previous version reads. An event without such a form makes that replica read PostgreSQL.
 */
export function entryWith(events: readonly Revocation[]): Fields {
  return [EVENTS, JSON.stringify(events.map((event) => olderFormOf(event) ?? event))];
}

/** An entry that tells readers to read PostgreSQL, because the stream lacks a revocation. */
export const ENTRY_OF_MORE: Fields = [MORE, '1'];

export interface EntryRead {
  /** The events that can be applied without reading PostgreSQL. */
  readonly events: readonly Revocation[];
  /** Whether PostgreSQL must also be read. */
  readonly asksForMore: boolean;
  /** Whether the entry has a shape that this version does not know. */
  readonly isMalformed: boolean;
}

/** Reads the fields of an entry. Nothing is assumed about who wrote the entry. */
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
 * Whether the event may be taken from the stream. The activation of an organization and the events `everything` and
 * `key` are taken from PostgreSQL alone. They are rare. A forged activation would give access. A forged `everything`
 * would stay longer than other events are remembered, and a forged `key` with the key that signs would stop the
 * service.
 */
function isBelievable(event: Revocation): boolean {
  if (event.kind === 'everything' || event.kind === 'key') return false;
  if (event.kind === 'organization') return event.state === 'suspended';
  return event.kind === 'session' || event.epoch <= EPOCH_MAX;
}
