// Rotates the secret of a service client. It adds a new secret while the former secrets remain valid for an overlap
// time, or it ends the overlap.
import { problem } from '../../base/errors/problem.ts';
import { type AssertVersion, anyVersion } from '../../base/headers/conditions.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import { newId } from '../../base/platform/random.ts';
import { type Client, type ClientWithSecret, toClient } from './clients.ts';
import { type Actor, type Change, type ClientDeps, runClientChange } from './run-change.ts';
import { hashOfSecret, newClientSecret } from './secret.ts';
import { countSecrets, endFormerSecrets, endSecrets, insertSecret } from './secret-store.ts';

/** The maximum number of secrets of one client that may be valid at the same time. */
const SECRETS_MAX = 10;

/** The maximum time for which a former secret may remain valid, in seconds. */
export const OVERLAP_MAX_SECONDS = 30 * 86_400;
export const OVERLAP_DEFAULT_SECONDS = 86_400;

export interface RotationGuards {
  readonly once?: Once;
  readonly assertVersion?: AssertVersion<Client>;
}

/**
 * Adds a new secret to a client. Every former secret remains valid for at most `overlapSeconds`. With 0, the former
 * secrets end at once. The access tokens of the client end, and the client can request new ones with any valid secret.
 * Raises the errors of `runClientChange`, and not_found, precondition_failed, grant_exceeds_own, client_without_secret,
 * client_secret_limit.
 */
export function rotateSecret(
  deps: ClientDeps,
  actor: Actor,
  id: string,
  { overlapSeconds }: { readonly overlapSeconds: number },
  { once = WITHOUT_KEY, assertVersion = anyVersion }: RotationGuards = {},
): Promise<ClientWithSecret> {
  const [secretId, clientSecret] = [newId(deps.random, deps.clock), newClientSecret(deps.random)];
  return runClientChange(
    deps,
    actor,
    async (change) => {
      const { tx, organizationId } = change;
      const { name, permissions } = await getWithSecret(change, id, assertVersion);
      change.assertHolds(permissions);
      await endSecrets(tx, organizationId, id, overlapSeconds);
      if ((await countSecrets(tx, organizationId, id)) >= SECRETS_MAX) throw problem('client_secret_limit');
      await insertSecret(tx, { id: secretId, organizationId, clientId: id, hash: hashOfSecret(clientSecret) });
      await change.record({ type: 'client.secret_rotated', targetId: id, data: { name, overlapSeconds } });
      await change.endTokens(id);
      return once.keep(tx, { ...toClient(await change.get(id)), clientSecret });
    },
    once,
  );
}

/**
 * Immediately ends every secret except the newest, and ends the client's access tokens. If no other secret is valid,
 * the tokens stay valid. Raises the errors of `runClientChange`, and not_found, precondition_failed,
 * client_without_secret.
 */
export async function endOverlap(
  deps: ClientDeps,
  actor: Actor,
  id: string,
  assertVersion: AssertVersion<Client> = anyVersion,
): Promise<void> {
  await runClientChange(deps, actor, async (change) => {
    const { name } = await getWithSecret(change, id, assertVersion);
    const ended = await endFormerSecrets(change.tx, change.organizationId, id);
    if (ended === 0) return;
    await change.record({ type: 'client.former_secrets_ended', targetId: id, data: { name, ended } });
    await change.endTokens(id);
  });
}

async function getWithSecret(change: Change, id: string, assertVersion: AssertVersion<Client>) {
  const client = await change.get(id);
  await assertVersion(() => toClient(client));
  if (client.authentication !== 'client_secret') throw problem('client_without_secret');
  return client;
}
