// Creates a service client. A member can give it only permissions that the member has at that moment.
import { problem } from '../../base/errors/problem.ts';
import { type Once, WITHOUT_KEY } from '../../base/idempotency/once.ts';
import { newId } from '../../base/platform/random.ts';
import { assertAudience } from './audiences.ts';
import { type Client, type ClientWithSecret, toClient } from './clients.ts';
import { type Actor, type ClientDeps, runClientChange } from './run-change.ts';
import { hashOfSecret, newClientSecret } from './secret.ts';
import { insertSecret } from './secret-store.ts';
import { type Authentication, type ClientContent, countClients, insertClient } from './store.ts';

/** The maximum number of clients of an organization. */
const CLIENTS_MAX = 100;

export interface CreateClient extends Omit<ClientContent, 'status'> {
  /** `jwks` is set for private_key_jwt and for no other method. */
  readonly authentication: Authentication;
}

/**
 * Creates a client. If the client authenticates by a secret, the answer contains its first secret. Raises the errors of
 * `runClientChange`, and grant_exceeds_own, audience_not_listed, client_limit.
 */
export function createClient(
  deps: ClientDeps,
  actor: Actor,
  input: CreateClient,
  once: Once = WITHOUT_KEY,
): Promise<Client | ClientWithSecret> {
  const [id, secretId] = [newId(deps.random, deps.clock), newId(deps.random, deps.clock)];
  const clientSecret = input.authentication === 'client_secret' ? newClientSecret(deps.random) : null;
  return runClientChange(
    deps,
    actor,
    async (change) => {
      const { tx, organizationId, actorId } = change;
      change.assertHolds(input.permissions);
      assertAudience(deps, { organizationId, audience: input.audience });
      if (organizationId !== null && (await countClients(tx, organizationId)) >= CLIENTS_MAX)
        throw problem('client_limit');
      await insertClient(tx, { ...input, id, organizationId, createdBy: actorId });
      if (clientSecret !== null) {
        await insertSecret(tx, { id: secretId, organizationId, clientId: id, hash: hashOfSecret(clientSecret) });
      }
      const { name, permissions, authentication } = input;
      await change.record({ type: 'client.created', targetId: id, data: { name, permissions, authentication } });
      const client = toClient(await change.get(id));
      return once.keep(tx, clientSecret === null ? client : { ...client, clientSecret });
    },
    once,
  );
}
