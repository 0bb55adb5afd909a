// What is said of each type of event, and the schemas that several types share.
import { z } from 'zod';

/** `operator` is somebody at the command line, `system` the service by itself: neither has an id. */
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
  /** When it is recorded, in one sentence. */
  readonly when: string;
  readonly actor: readonly [ActorKind, ...ActorKind[]];
  readonly target: TargetKind;
  /** Whether it belongs to an organization. */
  readonly organization: 'always' | 'never' | 'maybe';
  /** What it says beside that: strict, and never secrets, e-mail addresses or tokens. */
  readonly data: z.ZodType<object>;
}

/** The types of some nouns, by their names: `noun.past_tense`. */
export type EventsOf<Noun extends string> = Readonly<Record<`${Noun}.${string}`, EventKind>>;

/** For a type that says all by itself. */
export const nothing = z.strictObject({});

export const count = z.int().nonnegative();

/** Names of roles, permissions, fields. */
export const words = z.array(z.string()).readonly();
