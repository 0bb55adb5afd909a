// Writes events. A change records its events in its own transaction. The code that reads events is in other folders,
// such as sign-in/notices and sign-in/leaving.
import type { OrganizationTx, SystemTx, UserTx } from '../database/db.ts';
import type { Clock } from '../platform/clock.ts';
import { newId, type Random } from '../platform/random.ts';
import type { Catalogue, EventData, EventType } from './catalogue.ts';

type OrganizationId = { always: string; never: null; maybe: string | null };
type ActorId = { user: string; client: string; operator: null; system: null };

/** An event to write. An event that does not fit the catalogue does not compile. */
export type NewEvent<Type extends EventType = EventType> = Type extends EventType
  ? {
      readonly id: string;
      readonly type: Type;
      readonly organizationId: OrganizationId[Catalogue[Type]['organization']];
      /** The id is null for an operator and for the service itself. */
      readonly actorId: ActorId[Catalogue[Type]['actor'][number]];
      readonly targetId: Catalogue[Type]['target'] extends 'installation' ? null : string;
    } & DataOf<Type>
  : never;

// `data` is optional when none of its members is required.
type DataOf<Type extends EventType> =
  Record<string, never> extends EventData<Type>
    ? { readonly data?: EventData<Type> }
    : { readonly data: EventData<Type> };

/** Some members of an event, for a caller that adds the others. */
export type EventPart<Type extends EventType, Member extends keyof NewEvent> = Type extends EventType
  ? Pick<NewEvent<Type>, Member>
  : never;

/** Writes the event in the transaction. */
export function record(tx: OrganizationTx | UserTx | SystemTx, event: NewEvent): Promise<void> {
  return recordAll(tx, [event]);
}

/** Does the same as record for several events. */
export async function recordAll(tx: OrganizationTx | UserTx | SystemTx, events: readonly NewEvent[]): Promise<void> {
  // createMany is used, because create also reads the row back, and row-level security might not allow that.
  await tx.models.event.createMany({
    data: events.map((event) => ({ ...event, data: { ...event.data } as Record<string, string> })),
  });
}

/** The types that `recordOwn` accepts: events that users cause about their own accounts, without data. */
export type OwnEventType =
  | 'user.registered'
  | 'user.email_verified'
  | 'user.claimed'
  | 'user.email_change_requested'
  | 'user.email_changed'
  | 'user.email_reverted'
  | 'user.password_changed'
  | 'user.password_reset';

/** Writes an event that the user has caused about the user's own account. */
export function recordOwn(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  tx: UserTx | SystemTx,
  userId: string,
  type: OwnEventType,
): Promise<void> {
  return record(tx, { id: newId(random, clock), type, organizationId: null, actorId: userId, targetId: userId });
}
