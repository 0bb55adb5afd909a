// Runs the changes that members and operators make to service clients. A member can give a client only permissions that
// the member has at that moment. An operator has no such limit.

import type { Database, OrganizationTx, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import type { EventType } from '../../base/events/catalogue.ts';
import { type EventPart, record } from '../../base/events/record.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing, type Revoking } from '../../base/revoking/publish.ts';
import { assertMayGrant } from '../../directory/rights/granting.ts';
import { lockAndAuthorize } from '../../directory/rights/lock-and-authorize.ts';
import { lockOrganization } from '../../directory/rights/store.ts';
import type { OrganizationCaller } from '../../protocol/caller.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import type { AudiencePolicy } from './audiences.ts';
import { raiseAnyClientEpoch, raiseClientEpoch } from './epoch-store.ts';
import { type ClientRow, findClientForChange } from './store.ts';

export interface ClientDeps extends PublishDeps, AudiencePolicy {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

/** An operator, with the organization of the clients. Null for clients of the whole installation. */
export interface Operator {
  readonly kind: 'operator';
  readonly organizationId: string | null;
}
export type Actor = OrganizationCaller | Operator;

/** The functions that a change may use. All of them use the same transaction. */
export interface Change {
  readonly tx: OrganizationTx | SystemTx;
  readonly organizationId: string | null;
  readonly actorId: string | null;
  /** Raises grant_exceeds_own when the actor does not have all of these permissions now. */
  assertHolds(permissions: readonly string[]): void;
  /** Locks the client and returns it. Raises not_found for an unknown client and for one of another organization. */
  get(id: string): Promise<ClientRow>;
  /** Ends the client's access tokens. The revocation is published after the commit. */
  endTokens(id: string): Promise<void>;
  record(event: ClientEvent): Promise<void>;
}

type ClientEvent = EventPart<
  Exclude<Extract<EventType, `client.${string}`>, 'client.tokens_revoked'>,
  'type' | 'targetId' | 'data'
>;

/**
 * Runs a change in its own transaction and publishes its revocations. The change itself calls `once.keep` with its
 * result. Raises the errors of lockAndAuthorize for a member, and not_found for an operator who names an unknown
 * organization.
 */
export async function runClientChange<T>(
  deps: ClientDeps,
  actor: Actor,
  work: (change: Change) => Promise<T>,
  once: Once = WITHOUT_KEY,
): Promise<T> {
  const commit = actor.kind === 'operator' ? asOperator(actor) : asMember(actor);
  return (await publishing(deps, commit)).answer;

  function asMember(caller: OrganizationCaller): Promise<Revoking & { readonly answer: T }> {
    const { organizationId } = caller;
    return deps.db.organization({ organizationId, userId: caller.id }, async (tx) => {
      await once.begin(tx);
      const standing = await lockAndAuthorize(tx, caller, 'clients:manage');
      const revocations: Revocation[] = [];
      const answer = await work({
        ...common(tx, organizationId, caller.id),
        assertHolds: (permissions) => assertMayGrant(standing, [{ level: standing.level, permissions }]),
        endTokens: async (id) => void revocations.push(...(await raiseClientEpoch(tx, organizationId, id))),
      });
      return { answer, revocations };
    });
  }

  function asOperator({ organizationId }: Operator): Promise<Revoking & { readonly answer: T }> {
    return deps.db.system(async (tx) => {
      await once.begin(tx);
      if (organizationId !== null && (await lockOrganization(tx, organizationId)) === null) throw problem('not_found');
      const revocations: Revocation[] = [];
      const answer = await work({
        ...common(tx, organizationId, null),
        assertHolds: () => undefined,
        endTokens: async (id) => void revocations.push(...(await raiseAnyClientEpoch(tx, organizationId, id))),
      });
      return { answer, revocations };
    });
  }

  function common(tx: OrganizationTx | SystemTx, organizationId: string | null, actorId: string | null) {
    return {
      tx,
      organizationId,
      actorId,
      async get(id: string) {
        const row = await findClientForChange(tx, organizationId, id);
        if (!row) throw noSuchClient();
        return row;
      },
      record: (event: ClientEvent) =>
        record(tx, { id: newId(deps.random, deps.clock), organizationId, actorId, ...event }),
    };
  }
}

/** The message is the same for a client of another organization and for a client that does not exist. */
export function noSuchClient() {
  return problem('not_found', { detail: 'There is no such client: list the clients first.' });
}
