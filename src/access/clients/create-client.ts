// Creates a service client. A member can give it only permissions that they hold at that moment.
import { problem } from '../../base/errors/problem.ts';
import { newId } from '../../base/platform/random.ts';
import { type Client, type ClientWithSecret, toClient } from './clients.ts';
import { type Actor, type ClientDeps, runClientChange } from './run-change.ts';
import { hashOfSecret, newClientSecret } from './secret.ts';
import { insertSecret } from './secret-store.ts';
import { type Authentication, type ClientContent, countClients, insertClient } from './store.ts';

/** How many clients an organization may have. */
const CLIENTS_MAX = 100;

export interface CreateClient extends Omit<ClientContent, 'status'> {
  /** `jwks` is set exactly for private_key_jwt. */
  readonly authentication: Authentication;
}

/**
 * Creates a client. If it authenticates by a secret, the answer contains its first secret. Raises what `runClientChange`
 * raises, and grant_exceeds_own, client_limit.
 */
export async function createClient(
  deps: ClientDeps,
  actor: Actor,
  input: CreateClient,
): Promise<Client | ClientWithSecret> {
  const [id, secretId] = [newId(deps.random, deps.clock), newId(deps.random, deps.clock)];
  const clientSecret = input.authentication === 'client_secret' ? newClientSecret(deps.random) : null;
  const made = await runClientChange(deps, actor, async (change) => {
    const { tx, organizationId, actorId } = change;
    change.assertHolds(input.permissions);
    if (organizationId !== null && (await countClients(tx, organizationId)) >= CLIENTS_MAX)
      throw problem('client_limit');
    await insertClient(tx, { ...input, id, organizationId, createdBy: actorId });
    if (clientSecret !== null) {
      await insertSecret(tx, { id: secretId, organizationId, clientId: id, hash: hashOfSecret(clientSecret) });
    }
    const { name, permissions, authentication } = input;
    await change.record({ type: 'client.created', targetId: id, data: { name, permissions, authentication } });
    return change.get(id);
  });
  return { ...toClient(made), ...(clientSecret === null ? {} : { clientSecret }) };
}
