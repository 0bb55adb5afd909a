// Calls of the OAuth endpoints as a client library makes them, and the check of the form of a refusal.
import type { Test } from 'tap';
import { OAUTH_ERRORS, type OAuthErrorCode } from '../../../src/base/errors/oauth.ts';
import type { Api, Reply } from '../../support/client.ts';
import type { SeededClient } from '../../support/fixtures/clients.ts';

export const FORM = 'application/x-www-form-urlencoded';
export const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
export const ENDPOINTS = ['/oauth/token', '/oauth/introspect', '/oauth/revoke'] as const;

export type Parameters = Readonly<Record<string, string>>;

/** Returns the Authorization header of client_secret_basic (RFC 6749 §2.3.1). */
export function basic({ id, secret }: SeededClient): string {
  const encoded = [id, secret].map((half) => new URLSearchParams([['', half]]).toString().slice(1)).join(':');
  return `Basic ${Buffer.from(encoded).toString('base64')}`;
}

/** Returns the parameters of client_secret_post. */
export function inBody({ id, secret }: SeededClient): Parameters {
  return { client_id: id, client_secret: secret };
}

/** Returns the parameters of private_key_jwt. */
export function byAssertion(assertion: string): Parameters {
  return { client_assertion_type: ASSERTION_TYPE, client_assertion: assertion };
}

/**
 * Posts a form. A client authenticates with client_secret_basic. If `client` is a text, this text is sent as the
 * Authorization header.
 */
export function post(api: Api, path: string, parameters: Parameters, client?: SeededClient | string): Promise<Reply> {
  const authorization = typeof client === 'object' ? basic(client) : client;
  return postRaw(api, path, new URLSearchParams(parameters).toString(), {
    ...(authorization === undefined ? {} : { authorization }),
  });
}

/** Posts a body unchanged. */
export function postRaw(
  api: Api,
  path: string,
  raw: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<Reply> {
  return api.call('POST', path, undefined, { raw, headers: { 'content-type': FORM, ...headers } });
}

/** The parameters that the endpoint needs in addition to the credentials of a client. */
export function goodParameters(path: string): Parameters {
  return path === '/oauth/token' ? { grant_type: 'client_credentials' } : { token: 'x' };
}

/** Returns the points in which a refusal differs from RFC 6749 §5.2, or [] if there are none. */
export function flawsOfOAuthError(reply: Pick<Reply, 'status' | 'headers' | 'text'>): string[] {
  const flaws: string[] = [];
  const expect = (good: boolean, flaw: string) => good || flaws.push(flaw);
  expect(/^application\/json(;|$)/.test(reply.headers.get('content-type') ?? ''), 'content-type');
  expect(reply.headers.get('cache-control') === 'no-store', 'cache-control');
  expect(reply.headers.get('pragma') === 'no-cache', 'pragma');
  expect(reply.headers.has('x-request-id'), 'x-request-id');
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(reply.text) as Record<string, unknown>;
  } catch {
    flaws.push(`body ${reply.text.slice(0, 80)}`);
  }
  expect(Object.keys(body).sort().join() === 'error,error_description', `members ${Object.keys(body)}`);
  expect(String(body.error) in OAUTH_ERRORS, `error ${String(body.error)}`);
  expect(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/.test(String(body.error_description)), 'characters of error_description');
  expect((reply.status === 401) === (body.error === 'invalid_client'), `${reply.status} with ${String(body.error)}`);
  expect((reply.status === 401) === reply.headers.has('www-authenticate'), 'challenge');
  const waits = [429, 503].includes(reply.status);
  expect(waits === /^[1-9]\d*$/.test(reply.headers.get('retry-after') ?? ''), 'retry-after');
  expect(waits === (body.error === 'temporarily_unavailable'), 'temporarily_unavailable');
  return flaws;
}

/** Asserts the code, the status (by default the status of the code in the table) and the form of a refusal. */
export function refusedByOAuth(t: Test, reply: Reply, code: OAuthErrorCode, what: string, status?: number): void {
  const expected = status ?? OAUTH_ERRORS[code].status;
  const found = `${reply.status} ${reply.body.error ?? reply.text.slice(0, 60)}`;
  t.strictSame([found, ...flawsOfOAuthError(reply)], [`${expected} ${code}`], what);
}
