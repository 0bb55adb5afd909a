// The part of the walk of openapi.test.ts in which somebody has forgotten the password.
import type { Outbox } from '../../src/base/outbox/outbox.ts';
import type { Api, Reply } from '../support/client.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { type Mailbox, tokenIn } from '../support/servers/mailbox.ts';

type Call = (id: string, body?: unknown) => Promise<Reply>;

export async function walkForgotten(call: Call, api: Api, outbox: Outbox, mailbox: Mailbox): Promise<void> {
  const { email } = await newAccount(api);
  const password = 'nine yellow lanterns';
  await call('forgotPassword', { email: 'nobody@example.com' });
  await call('forgotPassword', { email: 'not an address' });
  await call('forgotPassword', { email });
  await outbox.sendDue();
  const token = tokenIn(await mailbox.next(email));
  await call('resetPassword', { token, password: 'short' });
  await call('resetPassword', { token, email, password });
  await call('resetPassword', { email, code: '00000000', password });
  for (const _ of [1, 2]) await call('resetPassword', { token, password });
}
