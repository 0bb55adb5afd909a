// Rotates the secret of a service client. It adds a new secret while the former secrets remain valid for an overlap
// time, or it ends the overlap.
import { problem } from '../../base/errors/problem.ts';
import { newId } from '../../base/platform/random.ts';
import { type ClientWithSecret, toClient } from './clients.ts';
import { type Actor, type Change, type ClientDeps, runClientChange } from './run-change.ts';
import { hashOfSecret, newClientSecret } from './secret.ts';
import { countSecrets, endFormerSecrets, endSecrets, insertSecret } from './secret-store.ts';

/** The maximum number of secrets of one client that may be valid at the same time. */
const SECRETS_MAX = 10;

/** The maximum time for which a former secret may remain valid, in seconds. */
export const OVERLAP_MAX_SECONDS = 30 * 86_400;
export const OVERLAP_DEFAULT_SECONDS = 86_400;

/**
 * Adds a new secret to a client. Every former secret remains valid for at most `overlapSeconds`. With 0, the former
 * secrets end at once. The access tokens of the client end, and the client can request new ones with any valid secret.
 * Raises the errors of `runClientChange`, and not_found, grant_exceeds_own, client_without_secret, client_secret_limit.
 */
export async function rotateSecret(
  deps: ClientDeps,
  actor: Actor,
  id: string,
  { overlapSeconds }: { readonly overlapSeconds: number },
): Promise<ClientWithSecret> {
  const [secretId, clientSecret] = [newId(deps.random, deps.clock), newClientSecret(deps.random)];
  const row = await runClientChange(deps, actor, async (change) => {
    const { tx, organizationId } = change;
    const { name, permissions } = await getWithSecret(change, id);
    change.assertHolds(permissions);
    await endSecrets(tx, organizationId, id, overlapSeconds);
    if ((await countSecrets(tx, organizationId, id)) >= SECRETS_MAX) throw problem('client_secret_limit');
    await insertSecret(tx, { id: secretId, organizationId, clientId: id, hash: hashOfSecret(clientSecret) });
    await change.record({ type: 'client.secret_rotated', targetId: id, data: { name, overlapSeconds } });
    await change.endTokens(id);
    return change.get(id);
  });
  return { ...toClient(row), clientSecret };
}

/**
 * Ends every secret except the newest at once, and ends the client's access tokens. Does nothing if there is only one
 * secret. Raises the errors of `runClientChange`, and not_found, client_without_secret.
 */
export async function endOverlap(deps: ClientDeps, actor: Actor, id: string): Promise<void> {
  await runClientChange(deps, actor, async (change) => {
    const { name } = await getWithSecret(change, id);
    const ended = await endFormerSecrets(change.tx, change.organizationId, id);
    if (ended === 0) return;
    await change.record({ type: 'client.former_secrets_ended', targetId: id, data: { name, ended } });
    await change.endTokens(id);
  });
}

async function getWithSecret(change: Change, id: string) {
  const client = await change.get(id);
  if (client.authentication !== 'client_secret') throw problem('client_without_secret');
  return client;
}
