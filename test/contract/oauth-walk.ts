// The requests of a service client in the walk of openapi.test.ts: to the OAuth endpoints, to the revocation feed, and
// to forward authentication.

import { FORM, inBody } from '../access/oauth/calls.ts';
import type { CallOptions, Reply } from '../support/client.ts';
import type { TestDatabase } from '../support/database.ts';
import { seedClient } from '../support/fixtures/clients.ts';

type Call = (id: string, body?: unknown, options?: CallOptions & { path?: string }) => Promise<Reply>;

export async function walkOAuth(call: Call, database: TestDatabase): Promise<void> {
  const client = await seedClient(database, { organizationId: null, permissions: ['revocations:read'] });
  const ask = (operation: string, parameters: Record<string, string>) => {
    const raw = new URLSearchParams({ ...inBody(client), ...parameters }).toString();
    return call(operation, undefined, { raw, headers: { 'content-type': FORM } });
  };
  const { access_token: token } = (await ask('issueToken', { grant_type: 'client_credentials' })).body;
  await call('listRevocations', undefined, { token });
  await call('listRevocations', undefined, { token, path: '/revocations?after=!' });
  await call('listRevocations', undefined, { token, headers: { accept: 'text/html' } });
  await call('listRevocations');
  await call('verify', undefined, { token });
  await call('verify', undefined, { token, headers: { 'x-required-permission': 'users:read' } });
  await call('verify');
  for (const grant_type of ['refresh_token', 'password', ''])
    await ask('issueToken', { grant_type, refresh_token: 'x' });
  for (const operation of ['introspectToken', 'revokeToken', 'introspectToken']) await ask(operation, { token });
  await ask('introspectToken', { token, client_secret: 'x' });
  await call('revokeToken', {});
}
