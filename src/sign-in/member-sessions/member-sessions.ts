// The sessions in which members act for the current organization. Callers with the permission `sessions:read` can list
// these sessions, and callers with `sessions:revoke` can end them. Sessions that act for another organization, or for
// no organization, are neither shown nor ended.

import type { Database } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { type Page, paged } from '../../base/platform/page.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { assertOutranks, lockAndAuthorize } from '../../directory/rights/lock-and-authorize.ts';
import { findStanding } from '../../directory/rights/store.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import type { EndedSessions } from '../sessions/ending-store.ts';
import { toSession } from '../sessions/list-sessions.ts';
import {
  countMemberSessions,
  type EndMemberSessions,
  isMember,
  listMemberSessionRows,
  markMemberSessionsEnded,
} from './store.ts';

interface ReadDeps {
  readonly db: Database;
}

export interface MemberSessionDeps extends ReadDeps, PublishDeps {}

/**
 * A member's live sessions in the organization, the most recently used first. Raises not_found for a user who is not a
 * member.
 */
export async function listMemberSessions(
  deps: ReadDeps,
  { organizationId }: OrganizationCaller,
  { userId, limit, offset }: Page & { readonly userId: string },
) {
  const reader = deps.db.organizationReader({ organizationId }, { bulk: true });
  if (!(await isMember(reader, organizationId, userId))) throw noSuchMemberOrSession();
  const rows = await listMemberSessionRows(reader, organizationId, userId, { limit, offset });
  return paged(
    rows,
    { limit, offset },
    {
      toItem: toSession,
      countAll: () => countMemberSessions(reader, organizationId, userId),
    },
  );
}

/**
 * Ends all of a member's sessions in the organization. Returns how many of them were live. Raises not_found for a user
 * who is not a member, member_outranks_you, and the errors of lockAndAuthorize.
 */
export async function endMemberSessions(
  deps: MemberSessionDeps,
  caller: OrganizationCaller,
  userId: string,
): Promise<number> {
  return (await endAuthorized(deps, caller, { userId })).live;
}

/**
 * Ends one of a member's sessions in the organization. Raises the errors of endMemberSessions, and not_found for a
 * session that has ended.
 */
export async function endMemberSession(
  deps: MemberSessionDeps,
  caller: OrganizationCaller,
  which: { readonly userId: string; readonly sessionId: string },
): Promise<void> {
  if ((await endAuthorized(deps, caller, which)).live === 0) throw noSuchMemberOrSession();
}

/**
 * Ends the sessions, and checks the rights of the caller in the same transaction. Callers may end their own sessions,
 * and the sessions of members whom they outrank.
 */
function endAuthorized(
  deps: MemberSessionDeps,
  caller: OrganizationCaller,
  which: Pick<EndMemberSessions, 'userId' | 'sessionId'>,
): Promise<EndedSessions> {
  const { organizationId, id: actorId } = caller;
  const commit = deps.db.organization({ organizationId, userId: actorId }, async (tx) => {
    const standing = await lockAndAuthorize(tx, caller, 'sessions:revoke');
    const member = await findStanding(tx, organizationId, which.userId);
    if (!member) throw noSuchMemberOrSession();
    if (which.userId !== actorId) assertOutranks(standing, member);
    return markMemberSessionsEnded(tx, { organizationId, ...which, actorId, reason: 'ended_by_organization' });
  });
  return publishing(deps, commit);
}

function noSuchMemberOrSession() {
  return problem('not_found', { detail: 'There is no such member or session here: list them first.' });
}
