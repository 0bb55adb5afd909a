// The beginning of every call of an OAuth endpoint: who the client is, and whether it may be heard now.

import { oauthError } from '../../base/errors/oauth.ts';
import { isIdShaped } from '../../protocol/id.ts';
import {
  type AuthenticateClientDeps,
  type AuthenticatedClient,
  authenticateClient,
} from '../client-authentication/authenticate.ts';
import { type PresentedCredentials, readCredentials } from './credentials.ts';
import type { ClientThrottle } from './throttle.ts';

export interface AdmitDeps extends AuthenticateClientDeps {
  readonly clientThrottle: ClientThrottle;
}

export interface Presented extends PresentedCredentials {
  /** Where it comes from, as limits count. */
  readonly network: string;
  /** Notes for the log whom it is from, or says that it is from. */
  readonly noteClient: (clientId: string, isProven: boolean) => void;
  /** Raises too_many_requests for a client that asks too often. */
  readonly limitClient: (clientId: string) => Promise<void>;
}

/**
 * The client of a request. Raises invalid_client, invalid_request, too_many_requests. The allowance of a client is drawn
 * on by nobody but the client.
 */
export async function admitClient(deps: AdmitDeps, presented: Presented): Promise<AuthenticatedClient> {
  const credentials = readCredentials(presented);
  const credential = credentials.method === 'secret' ? credentials.secret : credentials.assertion;
  const clientId = credentials.clientId ?? subjectOf(credential);
  // Nothing else than an id: who mixes up the fields must not find a secret in the log.
  if (isIdShaped(clientId)) presented.noteClient(clientId, false);
  const attempt = await deps.clientThrottle.begin({ network: presented.network, clientId, credential });
  const undecided = (error: unknown) => {
    attempt.undecided();
    throw error;
  };
  // Past its allowance a client that is known costs nothing more: not even the database is asked. (An assertion that was
  // right before is so no more: whoever repeats one is not the client.)
  const isKnown = credentials.method === 'secret' && attempt.isProven;
  if (isKnown) await presented.limitClient(clientId).catch(undecided);
  const client = await authenticateClient(deps, credentials).catch(undecided);
  if (!client) {
    attempt.failed();
    throw oauthError('invalid_client');
  }
  attempt.succeeded();
  presented.noteClient(client.id, true);
  if (!isKnown) await presented.limitClient(client.id);
  return client;
}

/** Whom an assertion claims to be of, as far as anybody can tell before it is verified. */
function subjectOf(assertion: string): string {
  try {
    const payload: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString('utf8'));
    const { sub } = (payload ?? {}) as { sub?: unknown };
    return typeof sub === 'string' ? sub : '';
  } catch {
    return '';
  }
}
