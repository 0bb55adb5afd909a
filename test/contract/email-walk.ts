// Walks the operations of changing the address for openapi.test.ts.
import type { Account } from '../support/fixtures/accounts.ts';
import { type Mailbox, tokenIn } from '../support/servers/mailbox.ts';
import type { Call } from './leaving-walk.ts';

export async function walkEmail(call: Call, { accessToken: token, email }: Account, mailbox: Mailbox): Promise<void> {
  const newEmail = 'moved@other.example';
  await call('changeMyEmail', { newEmail: email }, { token });
  await call('changeMyEmail', { newEmail, currentPassword: 'wrong' }, { token });
  await call('changeMyEmail', { newEmail }, { token });
  await call('confirmEmailChange', { code: '00000000' }, { token });
  await call('confirmEmailChange', { code: '00000000' });
  await call('confirmEmailChange', { token: tokenIn(await mailbox.next(newEmail)) });
  await call('revertEmail', { token: 'x' });
  await call('revertEmail', { token: tokenIn(await mailbox.next(email)) });
}
