// The dependencies of the changes of members in this folder, and the event that such a change records.

import type { Database } from '../../base/database/db.ts';
import type { EventPart, NewEvent } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import type { PublishDeps } from '../../base/revoking/publish.ts';

export interface MemberChangeDeps extends PublishDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

type MemberEventType =
  | 'member.roles_changed'
  | 'member.suspended'
  | 'member.activated'
  | 'member.removed'
  | 'member.left';
export type MemberEvent = EventPart<MemberEventType, 'type' | 'data'>;

/** Returns an event about a member. Its actor is the user who made the change. */
export function memberEvent(
  deps: MemberChangeDeps,
  actor: { readonly id: string },
  organizationId: string,
  userId: string,
  event: MemberEvent,
): NewEvent<MemberEventType> {
  return { id: newId(deps.random, deps.clock), organizationId, actorId: actor.id, targetId: userId, ...event };
}
