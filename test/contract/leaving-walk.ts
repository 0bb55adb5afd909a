// The requests about leaving, invitations, and proving and changing an address in the walk of openapi.test.ts.
import type { CallOptions, Reply } from '../support/client.ts';
import type { Account } from '../support/fixtures/accounts.ts';
import { type Mailbox, type ReceivedMail, tokenIn } from '../support/servers/mailbox.ts';

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

/** Sends valid and invalid requests about invitations, for an owner whose address is proven. */
export async function walkInvitations(
  call: Call,
  { accessToken: token, email }: Account,
  mailbox: Mailbox,
): Promise<void> {
  const guest = 'guest@example.com';
  const roles = [{ role: 'viewer', scope: { projectId: 'p1' } }, { role: 'agent' }];
  const { id } = (await call('createInvitation', { email: guest, roles }, { token })).body.data;
  const path = `/invitations/${id}`;
  await call('createInvitation', { email: 'other@example.com', roles }, { token });
  await call('createInvitation', { email, roles }, { token });
  await call('createInvitation', { email: guest, roles: [] }, { token });
  await call('createInvitation', { email: guest, roles: [{ role: 'unknown' }] }, { token });
  await call('listInvitations', undefined, { token, path: '/invitations?status=pending' });
  await call('listInvitations', undefined, { token, path: '/invitations?status=old' });
  await call('getInvitation', undefined, { token, path });
  await call('resendInvitation', undefined, { token, path: `${path}/resend` });
  await call('revokeInvitation', undefined, { token, path });
  for (const gone of ['revokeInvitation', 'resendInvitation']) {
    await call(gone, undefined, { token, path: gone === 'revokeInvitation' ? path : `${path}/resend` });
  }
  const invited = 'invited@example.com';
  await call('inviteUser', { email: invited, roles }, { token });
  const joining = { token: tokenIn(await mailbox.next(invited)), name: 'Guest', password: 'correct horse battery' };
  await call('acceptInvitation', { token: joining.token }, { token });
  await call('acceptInvitation', { token: joining.token });
  await call('acceptInvitation', joining, { headers: { 'x-tenant-id': 'unknown' } });
  await call('acceptInvitation', { ...joining, transport: 'cookie' });
  await call('acceptInvitation', joining);
  await call('register', { ...joining, email: invited, invitationToken: joining.token, token: undefined });
}

/** Sends the requests that prove the address of a user. `proof` reads the mail of the registration. */
export async function walkProof(call: Call, token: string, proof: () => Promise<ReceivedMail>): Promise<void> {
  await call('verifyEmail', { token: 'x' });
  await call('verifyEmail', { code: '00000000' }, { token });
  await call('verifyEmail', { token: tokenIn(await proof()) }, { token });
  await call('resendVerification', undefined, { token });
}

/** Changes the address of a user whose address is proven, and takes the former one back. */
export async function walkEmail(call: Call, { accessToken: token, email }: Account, mailbox: Mailbox): Promise<void> {
  const newEmail = 'moved@other.example';
  await call('changeMyEmail', { newEmail: email }, { token });
  await call('changeMyEmail', { newEmail, currentPassword: 'wrong' }, { token });
  await call('changeMyEmail', { newEmail }, { token });
  await call('confirmEmailChange', { code: '00000000' }, { token });
  await call('confirmEmailChange', { code: '00000000' });
  await call('confirmEmailChange', { token: tokenIn(await mailbox.next(newEmail)) }, { token });
  await call('revertEmail', { token: 'x' });
  await call('revertEmail', { token: tokenIn(await mailbox.next(email)) });
}
