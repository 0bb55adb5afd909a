// Admits a client at the token, introspection and revocation endpoints. Authenticates the client, and applies the
// throttle and the rate limit of the client.

import { oauthError } from '../../base/errors/oauth.ts';
import type { Revocations } from '../../credentials/revocations/revocations.ts';
import { isIdShaped } from '../../protocol/id.ts';
import { assertNotLost } from '../../sign-in/sessions/authenticate.ts';
import {
  type AuthenticateClientDeps,
  type AuthenticatedClient,
  authenticateClient,
} from '../client-authentication/authenticate.ts';
import { type PresentedCredentials, readCredentials } from './credentials.ts';
import type { ClientThrottle } from './throttle.ts';

export interface AdmitDeps extends AuthenticateClientDeps {
  readonly revocations: Revocations;
  readonly clientThrottle: ClientThrottle;
}

export interface Presented extends PresentedCredentials {
  /** The network of the request. Failures are counted by network. */
  readonly network: string;
  /** Adds the client to the log. `isProven` is false until the credentials have been checked. */
  readonly noteClient: (clientId: string, isProven: boolean) => void;
  /** Raises too_many_requests when the client sends too many requests. */
  readonly limitClient: (clientId: string) => Promise<void>;
}

/**
 * Returns the authenticated client of a request. Only requests with credentials that are right, or were right recently,
 * count against the client's rate limit. Raises invalid_client, invalid_request, too_many_requests. While the database
 * may have lost a client or its secret, raises database_set_back and not invalid_client.
 */
export async function admitClient(deps: AdmitDeps, presented: Presented): Promise<AuthenticatedClient> {
  const credentials = readCredentials(presented);
  const credential = credentials.method === 'secret' ? credentials.secret : credentials.assertion;
  const clientId = credentials.clientId ?? subjectOf(credential);
  // Only a text that has the shape of an id is logged. If a client confuses the fields, its secret must not appear in
  // the log.
  if (isIdShaped(clientId)) presented.noteClient(clientId, false);
  const attempt = await deps.clientThrottle.begin({ network: presented.network, clientId, credential });
  const undecided = (error: unknown) => {
    attempt.undecided();
    throw error;
  };
  // A known client that has exceeded its rate limit is refused before any query. A client with an assertion never
  // counts as known. An assertion is valid only once, so another sender may be repeating it.
  const isKnown = credentials.method === 'secret' && attempt.isProven;
  if (isKnown) await presented.limitClient(clientId).catch(undecided);
  const client = await authenticateClient(deps, credentials).catch(undecided);
  if (!client) {
    attempt.failed();
    await assertNotLost(deps.revocations, 0); // failures at the same moment share one read
    throw oauthError('invalid_client');
  }
  attempt.succeeded();
  presented.noteClient(client.id, true);
  if (!isKnown) await presented.limitClient(client.id);
  return client;
}

/** The client id that an assertion names. The assertion is read without verification. */
function subjectOf(assertion: string): string {
  try {
    const payload: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const { sub } = (payload ?? {}) as { sub?: unknown };
    return typeof sub === 'string' ? sub : '';
  } catch {
    return '';
  }
}
