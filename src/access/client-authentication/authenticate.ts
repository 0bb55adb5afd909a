// Authenticates a service client by its secret or by its signed assertion. This folder verifies the assertions and
// loads the hashes of the secrets, which clients/secret.ts compares. oauth/credentials.ts reads the credentials from a
// request.
import { createHash } from 'node:crypto';
import type { Database } from '../../base/database/db.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { isWrittenId, NIL_ID } from '../../protocol/id.ts';
import { isOneOf } from '../clients/secret.ts';
import { isSignedByOne, readAssertion } from './assertion.ts';
import { findClientWithSecrets, findRegisteredKeys, insertAssertion } from './store.ts';

/** The presented credentials and their method. A client can use only the method that it has registered. */
export type ClientCredentials =
  | { readonly method: 'secret'; readonly clientId: string; readonly secret: string }
  | { readonly method: 'assertion'; readonly clientId?: string; readonly assertion: string };

/** An authenticated service client, with its current rights. */
export interface AuthenticatedClient {
  readonly id: string;
  /** Null for a client of the whole installation. */
  readonly organization: { readonly id: string; readonly slug: string } | null;
  /** The audience of the client's tokens. Null for the default audience of the installation. */
  readonly audience: string | null;
  readonly permissions: readonly string[];
  readonly epoch: number;
  readonly name: string;
}

export interface AuthenticateClientDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly issuer: string;
}

/**
 * Returns the client that the credentials prove, or null (`invalid_client`). Null is returned after the same work for
 * an unknown client, a wrong secret or signature, the wrong method, a disabled client, an ended secret and a suspended
 * organization. An assertion with invalid claims is refused before any query. An assertion is accepted only once (RFC
 * 7523 §3). Raises DatabaseUnavailable.
 */
export async function authenticateClient(
  deps: AuthenticateClientDeps,
  credentials: ClientCredentials,
): Promise<AuthenticatedClient | null> {
  if (credentials.method === 'assertion') return byAssertion(deps, credentials);
  const { clientId, secret } = credentials;
  const found = await findClientWithSecrets(deps.db.systemReader(), idOf(clientId));
  if (!isOneOf(secret, found?.hashes ?? []) || !found) return null;
  const { hashes: _, ...client } = found;
  return client;
}

async function byAssertion(
  deps: AuthenticateClientDeps,
  credentials: ClientCredentials & { readonly method: 'assertion' },
): Promise<AuthenticatedClient | null> {
  const nowSeconds = deps.clock.now().getTime() / 1000;
  const audiences = [deps.issuer, `${deps.issuer}/oauth/token`];
  const assertion = readAssertion(credentials.assertion, { audiences, nowSeconds });
  if (!assertion || (credentials.clientId ?? assertion.clientId) !== assertion.clientId) return null;
  const reader = deps.db.systemReader();
  const clientId = idOf(assertion.clientId);
  const registered = await findRegisteredKeys(reader, clientId);
  const signed = await isSignedByOne(assertion, registered?.keys ?? []);
  if (!registered || !signed) return null;
  const jtiHash = createHash('sha256').update(assertion.jti).digest('hex');
  return insertAssertion(reader, { clientId, jtiHash, expiresAt: assertion.expiresAt, epoch: registered.epoch });
}

/**
 * Returns the client id if it has the shape of an id. Any other text becomes the nil UUID, so that the query runs in
 * every case.
 */
function idOf(clientId: string): string {
  return isWrittenId(clientId) ? clientId : NIL_ID;
}
