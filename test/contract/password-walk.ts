// The parts of the walk through all operations that are about a user's own sessions and password.
import type { Outbox } from '../../src/base/outbox/outbox.ts';
import type { Api, CallOptions, Reply } from '../support/client.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { type Mailbox, tokenIn } from '../support/servers/mailbox.ts';

type Call = (id: string, body?: unknown, options?: CallOptions & { readonly path?: string }) => Promise<Reply>;

export const NEW_PASSWORD = 'four other unrelated words';

/** Changes the password to NEW_PASSWORD. Returns the access token that is valid from now on. */
export async function walkPassword(call: Call, password: string, token: string): Promise<string> {
  await call('reauthenticate', { password }, { token });
  await call('reauthenticate', { password: 'wrong' }, { token });
  await call('reauthenticate', {}, { token });
  const changing = { currentPassword: password, newPassword: NEW_PASSWORD };
  await call('changeMyPassword', { ...changing, currentPassword: 'wrong' }, { token });
  await call('changeMyPassword', { ...changing, newPassword: password }, { token });
  await call('changeMyPassword', { ...changing, newPassword: 'short' }, { token });
  return (await call('changeMyPassword', changing, { token })).body.data.accessToken;
}

/** Lists the sessions of the user, and ends all but the current one. */
export async function walkOwnSessions(call: Call, token: string): Promise<void> {
  const sessions = await call('listMySessions', undefined, { token });
  const other = sessions.body.data.find((session: { current: boolean }) => !session.current);
  await call('endMySession', undefined, { token, path: `/me/sessions/${other.id}` });
  await call('endMySession', undefined, { token, path: `/me/sessions/${other.id}` });
  await call('endMySession', undefined, { token, path: '/me/sessions/1' });
  await call('endMyOtherSessions', undefined, { token });
}

export async function walkForgotten(call: Call, api: Api, outbox: Outbox, mailbox: Mailbox): Promise<void> {
  const { email } = await newAccount(api);
  const password = 'nine yellow lanterns';
  await call('forgotPassword', { email: 'nobody@example.com' });
  await call('forgotPassword', { email: 'not an address' });
  await call('forgotPassword', { email });
  await outbox.sendDue();
  let mail = await mailbox.next(email);
  while (!mail.text.includes('/reset-password#')) mail = await mailbox.next(email);
  const token = tokenIn(mail);
  await call('resetPassword', { token, password: 'short' });
  await call('resetPassword', { token, email, password });
  await call('resetPassword', { email, code: '00000000', password });
  for (const _ of [1, 2]) await call('resetPassword', { token, password });
}
