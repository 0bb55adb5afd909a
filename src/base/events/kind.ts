// The description of an event type, and the schemas that several types share.
import { z } from 'zod';

/**
 * The actor `operator` is a person at the command line. The actor `system` is the service itself. Neither of these
 * actors has an id.
 */
export type ActorKind = 'user' | 'client' | 'operator' | 'system';

/** What an event is about. The installation has no id. */
export type TargetKind =
  | 'user'
  | 'session'
  | 'organization'
  | 'invitation'
  | 'role'
  | 'client'
  | 'mail'
  | 'installation';

export interface EventKind {
  /** When the event is recorded, in one to three sentences. */
  readonly when: string;
  readonly actor: readonly [ActorKind, ...ActorKind[]];
  readonly target: TargetKind;
  /** Whether the event belongs to an organization. */
  readonly organization: 'always' | 'never' | 'maybe';
  /** The further data of the event. The schema is strict and never has secrets, e-mail addresses or tokens. */
  readonly data: z.ZodType<object>;
}

/** The event types of some nouns, by name: `noun.past_tense`. */
export type EventsOf<Noun extends string> = Readonly<Record<`${Noun}.${string}`, EventKind>>;

/**
 * A value about the person of the event, sealed. `key` is the id of its key in `person_keys`. When the person is
 * erased, all keys of the person are deleted, and nobody can read the value any more.
 */
export const sealedForPerson = z.strictObject({ key: z.uuid(), sealed: z.base64() });

/** The schema of an event type without further data. */
export const nothing = z.strictObject({});

export const count = z.int().nonnegative();

/** Names, such as those of roles, permissions or fields. */
export const words = z.array(z.string()).readonly();
