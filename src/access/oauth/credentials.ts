// Reads the credentials of a client from a request. A request uses exactly one of client_secret_basic,
// client_secret_post and private_key_jwt (RFC 6749 §2.3, RFC 7521 §4.2). client-authentication/authenticate.ts checks
// the credentials.

import { oauthError } from '../../base/errors/oauth.ts';
import { decodeFormText } from '../../protocol/form.ts';
import type { ClientCredentials } from '../client-authentication/authenticate.ts';

/** The parts of a request that may contain credentials. Parameters without a value are left out. */
export interface PresentedCredentials {
  readonly authorization?: string | undefined;
  readonly clientId?: string | undefined;
  readonly clientSecret?: string | undefined;
  readonly assertionType?: string | undefined;
  readonly assertion?: string | undefined;
}

export const AUTHENTICATION_METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const;

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'; // RFC 7523 §2.2
const BASIC = /^Basic +([A-Za-z0-9+/]+={0,2})$/i; // RFC 7617 §2, RFC 9110 §11.1: the scheme ignores case
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Returns the credentials of a request. Raises invalid_request for more than one method, for an incomplete method and
 * for two different client ids. Raises invalid_client for no method, an unknown method, or a malformed header.
 */
export function readCredentials(presented: PresentedCredentials): ClientCredentials {
  const { authorization, clientId, clientSecret, assertion, assertionType } = presented;
  const hasAssertion = assertion !== undefined || assertionType !== undefined;
  const methods = [authorization !== undefined, clientSecret !== undefined, hasAssertion];
  if (methods.filter(Boolean).length > 1) throw oauthError('invalid_request', 'Authenticate by one method only.');
  if (authorization !== undefined) return ofBasic(authorization, clientId);
  if (clientSecret !== undefined) {
    if (clientId === undefined) throw oauthError('invalid_request', 'client_secret needs a client_id beside it.');
    return { method: 'secret', clientId, secret: clientSecret };
  }
  if (!hasAssertion) throw oauthError('invalid_client', `Authenticate by ${AUTHENTICATION_METHODS.join(', ')}.`);
  if (assertion === undefined || assertionType === undefined) {
    throw oauthError('invalid_request', 'client_assertion and client_assertion_type belong together.');
  }
  if (assertionType !== ASSERTION_TYPE) throw oauthError('invalid_client', 'Use the type jwt-bearer of RFC 7523.');
  return { method: 'assertion', assertion, ...(clientId === undefined ? {} : { clientId }) };
}

function ofBasic(authorization: string, inBody: string | undefined): ClientCredentials {
  const pair = basicPair(authorization);
  if (!pair) throw oauthError('invalid_client', 'The Authorization header is not one of HTTP Basic.');
  const { clientId } = pair;
  if (inBody !== undefined && inBody !== clientId) {
    throw oauthError('invalid_request', 'client_id differs from that in the Authorization header.');
  }
  return { method: 'secret', ...pair };
}

/**
 * Returns the credentials in a Basic header; null for a malformed one. Both halves are form-encoded, so a colon inside
 * a half does not separate the halves (RFC 6749 §2.3.1).
 */
function basicPair(authorization: string): { clientId: string; secret: string } | null {
  const encoded = BASIC.exec(authorization)?.[1];
  if (encoded === undefined) return null;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.toString('base64') !== encoded) return null;
  const text = textOf(bytes);
  const colon = text?.indexOf(':') ?? -1;
  if (text === null || colon < 0) return null;
  const [clientId, secret] = [decodeFormText(text.slice(0, colon)), decodeFormText(text.slice(colon + 1))];
  return clientId && secret ? { clientId, secret } : null;
}

function textOf(bytes: Buffer): string | null {
  try {
    return UTF8.decode(bytes);
  } catch {
    return null;
  }
}
