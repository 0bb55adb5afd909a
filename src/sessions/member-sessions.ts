// The sessions with which members act for the current organization: seen and ended by whoever may. What a member does in
// other organizations, or in none, is not shown and not touched.
import { problem } from '../errors.ts';
import type { Database, OrganizationTx } from '../platform/db.ts';
import { type Page, paged } from '../platform/page.ts';
import type { OrganizationCaller } from '../protocol/caller.ts';
import type { Revocation } from '../protocol/revocation.ts';
import {
  countMemberSessions,
  type EndMemberSessions,
  isMember,
  listMemberSessionRows,
  markMemberSessionsEnded,
} from './member-sessions-store.ts';
import type { EndedSession } from './store.ts';

interface ReadDeps {
  readonly db: Database;
}

export interface MemberSessionDeps extends ReadDeps {
  readonly publish: (changes: readonly Revocation[]) => void;
}

/** A member's live sessions in the organization, the most recently used first. Raises not_found for a stranger. */
export async function listMemberSessions(
  deps: ReadDeps,
  { organizationId }: OrganizationCaller,
  { userId, limit, offset }: Page & { readonly userId: string },
) {
  const reader = deps.db.organizationReader({ organizationId });
  if (!(await isMember(reader, organizationId, userId))) throw notHere();
  const rows = await listMemberSessionRows(reader, organizationId, userId, { limit, offset });
  return paged(
    rows,
    { limit, offset },
    {
      toItem: ({ id, organization, userAgent, ip, createdAt, lastSeenAt, expiresAt }) => ({
        id,
        organization,
        userAgent,
        ip,
        createdAt: createdAt.toISOString(),
        lastSeenAt: lastSeenAt.toISOString(),
        expiresAt: expiresAt.toISOString(),
      }),
      countAll: () => countMemberSessions(reader, organizationId, userId),
    },
  );
}

/** Ends all of a member's sessions in the organization; gives how many. Raises not_found for a stranger. */
export async function endMemberSessions(
  deps: MemberSessionDeps,
  { organizationId, id: actorId }: OrganizationCaller,
  userId: string,
): Promise<number> {
  const reader = deps.db.organizationReader({ organizationId });
  if (!(await isMember(reader, organizationId, userId))) throw notHere();
  const ended = await end(deps, { organizationId, userId, actorId, reason: 'ended_by_organization' });
  return ended.filter(({ live }) => live).length;
}

/** Ends one of a member's sessions in the organization. Raises not_found for any other, and for one that has ended. */
export async function endMemberSession(
  deps: MemberSessionDeps,
  { organizationId, id: actorId }: OrganizationCaller,
  { userId, sessionId }: { readonly userId: string; readonly sessionId: string },
): Promise<void> {
  const ended = await end(deps, { organizationId, userId, sessionId, actorId, reason: 'ended_by_organization' });
  if (!ended.some(({ live }) => live)) throw notHere();
}

/** Ends, within the transaction that removes a member, all of their sessions there; to be published after the commit. */
export async function endSessionsOfRemoved(
  tx: OrganizationTx,
  of: Pick<EndMemberSessions, 'organizationId' | 'userId' | 'actorId'>,
): Promise<Revocation[]> {
  return toRevocations(await markMemberSessionsEnded(tx, { ...of, reason: 'membership_removed' }));
}

async function end(deps: MemberSessionDeps, which: EndMemberSessions): Promise<EndedSession[]> {
  const reader = deps.db.organizationReader({ organizationId: which.organizationId });
  const ended = await markMemberSessionsEnded(reader, which);
  deps.publish(toRevocations(ended));
  return ended;
}

function toRevocations(ended: readonly EndedSession[]): Revocation[] {
  return ended.map(({ id: sid }) => ({ kind: 'session', sid }));
}

function notHere() {
  return problem('not_found', { detail: 'There is no such member or session here: list them first.' });
}
