// Changes and deletes a service client. Nobody gets more rights by means of a client. So a change that gives the actor
// control of the client requires, in the same transaction, that the actor has all of the client's permissions.
import { isDeepStrictEqual } from 'node:util';
import type { SystemTx } from '../../base/database/db.ts';
import { invalid } from '../../base/errors/problem.ts';
import { type NewEvent, recordAll } from '../../base/events/record.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { assertAudience } from './audiences.ts';
import { type Client, toClient } from './clients.ts';
import { raiseEpochsOfMade } from './epoch-store.ts';
import { type Actor, type ClientDeps, runClientChange } from './run-change.ts';
import {
  type ClientContent,
  type ClientRow,
  deleteClient,
  deleteClientsMadeBy,
  lockClientsMadeBy,
  updateClient,
} from './store.ts';

export type ChangeClient = { readonly [Field in keyof ClientContent]?: ClientContent[Field] | undefined };

const FIELDS = ['name', 'description', 'permissions', 'audience', 'jwks', 'status'] as const;
type Field = (typeof FIELDS)[number];
type OtherField = Exclude<Field, 'status'>;
// The fields that tokens contain, or that decide who can request a token. A change of one of them ends the older tokens
// of the client.
const OF_TOKENS: readonly Field[] = ['permissions', 'audience', 'jwks'];

/**
 * Changes the given fields. If the client already has the requested state, nothing is written. Raises the errors of
 * `runClientChange`, not_found, precondition_failed, audience_not_listed, and validation_failed for keys of a client
 * that uses secrets. Raises grant_exceeds_own for a client with permissions that the actor lacks. For such a client,
 * the actor may still change the name or description, or disable the client.
 */
export async function changeClient(
  deps: ClientDeps,
  actor: Actor,
  id: string,
  wanted: ChangeClient,
  assertVersion: AssertVersion<Client> = anyVersion,
): Promise<Client> {
  const row = await runClientChange(deps, actor, async (change) => {
    const old = await change.get(id);
    await assertVersion(() => toClient(old));
    const content = wantedOf(old, wanted);
    const changed = FIELDS.filter((field) => !isDeepStrictEqual(old[field], content[field]));
    const [enables, disables] = [content.status === 'active', content.status === 'disabled'];
    const touchesTokens = changed.some((field) => OF_TOKENS.includes(field));
    const turns = changed.includes('status');
    if (touchesTokens || (turns && enables)) change.assertHolds([...old.permissions, ...content.permissions]);
    // A change that does not name the audience keeps it. The token endpoint refuses the client if the audience is not
    // allowed.
    const { organizationId } = change;
    if (wanted.audience !== undefined) assertAudience(deps, { organizationId, audience: wanted.audience });
    if (changed.length === 0) return old;
    await updateClient(change.tx, change.organizationId, id, content);
    if (turns)
      await change.record({
        type: enables ? 'client.enabled' : 'client.disabled',
        targetId: id,
        data: { name: content.name },
      });
    const others = changed.filter((field): field is OtherField => field !== 'status');
    if (others.length > 0)
      await change.record({ type: 'client.changed', targetId: id, data: differenceOf(old, content, others) });
    if (touchesTokens || (turns && disables)) await change.endTokens(id);
    return change.get(id);
  });
  return toClient(row);
}

function wantedOf(old: ClientRow, wanted: ChangeClient): ClientContent {
  if (wanted.jwks && old.authentication !== 'private_key_jwt') {
    throw invalid('jwks', 'is only for a client that authenticates by private_key_jwt');
  }
  return {
    name: wanted.name ?? old.name,
    description: wanted.description ?? old.description,
    permissions: wanted.permissions ?? old.permissions,
    audience: wanted.audience === undefined ? old.audience : wanted.audience,
    jwks: wanted.jwks ?? old.jwks,
    status: wanted.status ?? old.status,
  };
}

function differenceOf(old: ClientRow, content: ClientContent, changed: readonly OtherField[]) {
  return {
    name: content.name,
    changed,
    permissionsAdded: content.permissions.filter((permission) => !old.permissions.includes(permission)),
    permissionsRemoved: old.permissions.filter((permission) => !content.permissions.includes(permission)),
  };
}

/**
 * Deletes a client with its secrets and ends its tokens. Raises the errors of `runClientChange`, and not_found,
 * precondition_failed.
 */
export async function removeClient(
  deps: ClientDeps,
  actor: Actor,
  id: string,
  assertVersion: AssertVersion<Client> = anyVersion,
): Promise<void> {
  await runClientChange(deps, actor, async (change) => {
    const client = await change.get(id);
    await assertVersion(() => toClient(client));
    const { name, permissions } = client;
    await change.endTokens(id);
    await deleteClient(change.tx, change.organizationId, id);
    await change.record({ type: 'client.deleted', targetId: id, data: { name, permissions } });
  });
}

/**
 * Deletes the clients that a user has made, and ends the tokens of these clients. Used when the owner of an e-mail
 * address takes over the account that somebody else has registered with it, who may have made thousands. Returns the
 * revocations to publish.
 */
export async function removeClientsOf(
  deps: { readonly clock: Clock; readonly random: Random },
  tx: SystemTx,
  userId: string,
): Promise<Revocation[]> {
  await lockClientsMadeBy(tx, userId);
  const revocations = await raiseEpochsOfMade(tx, userId);
  const deleted = await deleteClientsMadeBy(tx, userId);
  const events = deleted.map(({ id, organizationId, name, permissions }): NewEvent => {
    const event = { type: 'client.deleted', organizationId, actorId: userId, targetId: id } as const;
    return { id: newId(deps.random, deps.clock), ...event, data: { name, permissions } };
  });
  await recordAll(tx, events);
  return revocations;
}
