// The catalogue of all event types, with the description of each. The compiler (record.ts) and test/base/events check
// every written event against the catalogue. docs/events.md is generated from the catalogue.
import type { z } from 'zod';
import { CLIENT_EVENTS } from './clients.ts';
import type { EventKind } from './kind.ts';
import { MAIL_EVENTS } from './mails.ts';
import { INVITATION_EVENTS, MEMBER_EVENTS, ROLE_EVENTS } from './members.ts';
import { INSTALLATION_EVENTS, ORGANIZATION_EVENTS } from './organizations.ts';
import { SESSION_EVENTS } from './sessions.ts';
import { USER_EVENTS } from './users.ts';

const CATALOGUE = {
  ...USER_EVENTS,
  ...SESSION_EVENTS,
  ...ORGANIZATION_EVENTS,
  ...MEMBER_EVENTS,
  ...INVITATION_EVENTS,
  ...ROLE_EVENTS,
  ...CLIENT_EVENTS,
  ...MAIL_EVENTS,
  ...INSTALLATION_EVENTS,
} as const;
export type Catalogue = typeof CATALOGUE;

/** The name of an event type, in the form `noun.past_tense`. */
export type EventType = keyof Catalogue;

/** The data of an event of this type, in addition to its actor, target and organization. */
export type EventData<Type extends EventType> = z.output<Catalogue[Type]['data']>;

export const EVENTS: Readonly<Record<EventType, EventKind>> = CATALOGUE;
export const EVENT_TYPES = Object.keys(EVENTS) as readonly EventType[];

export function isEventType(type: string): type is EventType {
  return Object.hasOwn(EVENTS, type);
}
