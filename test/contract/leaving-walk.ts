// Walks the operations of leaving for openapi.test.ts.
import type { CallOptions, Reply } from '../support/client.ts';

/** Calls an operation by its id. */
export type Call = (id: string, body?: unknown, options?: CallOptions & { path?: string }) => Promise<Reply>;

export async function walkLeaving(call: Call): Promise<void> {
  const password = 'correct horse battery';
  const body = { email: 'leaving@example.com', password, name: 'Leaving', organizationName: 'Left' };
  const registered = (await call('register', body)).body.data;
  const token: string = registered.accessToken;
  await call('exportMyData', undefined, { token });
  await call('exportMyData', undefined, { token, path: '/me/export?cursor=wrong' });
  await call('closeMyAccount', { password: 'wrong' }, { token });
  await call('closeMyAccount', { password }, { token });
  await call('closeMyAccount', { password, deleteOrganizations: [registered.organization.id] }, { token });
}
