// An operator, or a person who proves the mailbox, ends the tokens of mails together with the sessions.
import t, { type Test } from 'tap';
import { disableAccount } from '../../../src/admin/accounts/change-account.ts';
import { endEverything } from '../../../src/admin/restore/restore.ts';
import { endAllSessions, endUserSessions } from '../../../src/admin/sessions/sessions.ts';
import { findOneTime } from '../../../src/credentials/one-time/consume.ts';
import { createOneTime } from '../../../src/credentials/one-time/create.ts';
import { EVERY_PURPOSE } from '../../../src/credentials/one-time/purposes.ts';
import { freshEmail, openInviting, registering } from '../../directory/invitations/inviting.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';

async function openMailed(t: Test) {
  const inviting = await openInviting(t);
  const { parts } = inviting.service.app;
  const email = freshEmail();
  const account = await newAccountWithoutOrganization(inviting.api, { email });
  const live = new Map<string, string>();
  for (const purpose of EVERY_PURPOSE) {
    const asked = { userId: account.userId, purpose, address: { address: email, key: email } };
    const { token } = await parts.db.system((tx) => createOneTime(parts, tx, asked));
    live.set(purpose, token);
  }
  const left = async () => {
    const found: string[] = [];
    for (const purpose of EVERY_PURPOSE) {
      if (await findOneTime(parts.db.systemReader(), purpose, live.get(purpose) ?? '')) found.push(purpose);
    }
    return found.sort();
  };
  t.same(await left(), [...EVERY_PURPOSE].sort());
  return { inviting, parts, email, account, left };
}

t.test('a restored backup ends every token of a mail', async (t) => {
  const { parts, left } = await openMailed(t);
  await endEverything(parts, { restoredAt: new Date() });
  t.same(await left(), []);
});

t.test('ending the sessions of all users ends every token of a mail', async (t) => {
  const { parts, left } = await openMailed(t);
  await endAllSessions(parts);
  t.same(await left(), []);
});

t.test('ending the sessions of a user, or disabling the account, ends what could open it again', async (t) => {
  for (const end of [endUserSessions, disableAccount]) {
    const { parts, account, left } = await openMailed(t);
    await end(parts, account.userId);
    t.same(await left(), ['revert_email', 'verify_email']);
  }
});

t.test('the proof of a mailbox ends every token that was made before', async (t) => {
  const taken = await openMailed(t);
  const { token } = await taken.inviting.invited(taken.email);
  t.equal((await taken.inviting.api.post('/invitations/accept', registering(token))).status, 200);
  t.same(await taken.left(), [], 'by registering again');
  const joined = await openMailed(t);
  const invitation = await joined.inviting.invited(joined.email);
  const asked = { token: joined.account.accessToken };
  const reply = await joined.inviting.api.post('/invitations/accept', { token: invitation.token }, asked);
  t.equal(reply.status, 200, reply.text);
  t.same(await joined.left(), [], 'as a user');
});
