// The checks of a proof about mails: what was requested was sent, a repeated mail has the same Message-ID, and only the
// link of the last one works.
import type { Api } from '../../../test/support/client.ts';
import { type ReceivedMail, tokenIn } from '../../../test/support/servers/mailbox.ts';
import { demand } from '../proof.ts';

export interface Delivered {
  /** How many mails were sent more than once. */
  readonly repeated: number;
  /** How many times mails were sent in addition to the first time. */
  readonly surplus: number;
  /** The mails of each Message-ID, in the order of their arrival. */
  readonly byId: ReadonlyMap<string, readonly ReceivedMail[]>;
}

/**
 * Raises NotShown unless every requested mail has arrived at its address, and every mail that arrived was requested.
 * `requested` has the Message-ID and the recipient of each.
 */
export function demandDelivered(mails: readonly ReceivedMail[], requested: ReadonlyMap<string, string>): Delivered {
  const byId = Map.groupBy(mails, ({ headers }) => headers.get('message-id') ?? '');
  for (const [id, email] of requested) demand(byId.has(id), `the mail ${id} to ${email} was lost`);
  for (const [id, copies] of byId) {
    const email = requested.get(id);
    demand(email !== undefined, `the mail ${id} was sent, and nobody requested it`);
    const isRight = copies.every(({ recipients }) => recipients.length === 1 && recipients[0] === email);
    demand(isRight, `the mail ${id} was sent to somebody else`);
  }
  return {
    byId,
    repeated: [...byId.values()].filter(({ length }) => length > 1).length,
    surplus: mails.length - byId.size,
  };
}

/** Raises NotShown unless the link of the last of these mails sets a password, and the earlier links do not. */
export async function demandLastLinkWorks(api: Api, copies: readonly ReceivedMail[]): Promise<void> {
  const tokens = [...new Set(copies.map(tokenIn))];
  const last = tokens.pop();
  for (const token of tokens) {
    const reply = await api.post('/auth/reset-password', { token, password: 'nine yellow lanterns' });
    demand(reply.code === 'invalid_or_expired_token', `an older link answered ${reply.status}: ${reply.text}`);
  }
  const reply = await api.post('/auth/reset-password', { token: last, password: 'nine yellow lanterns' });
  demand(reply.status < 300, `the link of the last mail answered ${reply.status}: ${reply.text}`);
}
