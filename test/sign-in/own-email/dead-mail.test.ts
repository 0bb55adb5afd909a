// A mail to an address that belongs to no account is dead after a day without a mail server. An operator retries it,
// and it is sent.
import t from 'tap';
import { cliOn } from '../../cli/command-line.ts';
import { createDatabase } from '../../support/database.ts';
import { newProvenAccount } from '../../support/fixtures/accounts.ts';
import { openMailbox } from '../../support/servers/mailbox.ts';
import { openService } from '../../support/service.ts';
import { freshEmail, mailTo, proofIn } from './changing.ts';

const database = await createDatabase(t);
const mailbox = await openMailbox(t);
const { app, api } = await openService(t, database, { SMTP_URL: mailbox.url });
const cli = cliOn(database);

/** The mails that wait are given up, as after a day of failures. */
const giveUp = () =>
  database.query<{ id: string }>(
    `UPDATE outbox SET due_at = NULL, failure = 'unreachable' WHERE due_at IS NOT NULL RETURNING id::text`,
  );

async function retry(ids: readonly { readonly id: string }[]): Promise<void> {
  const reply = await cli('mail', 'retry', ...ids.map(({ id }) => id));
  t.equal(reply.status, 0, reply.stderr);
  await app.parts.outbox.sendDue();
}

t.test('the proof of a new address, the notice to the former one, and the mail of a closed account', async (t) => {
  const account = await newProvenAccount(api, database);
  await giveUp(); // the mails of registering
  const to = freshEmail();
  const asked = await api.post('/me/email', { newEmail: to }, { token: account.accessToken });
  t.equal(asked.status, 202, asked.text);
  await retry(await giveUp());
  const { token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
  t.equal((await api.post('/auth/confirm-email-change', { token })).status, 200);
  await retry(await giveUp());
  await mailTo(mailbox, account.email, '/revert-email');

  const closed = await cli('users', 'delete', to, '--delete-organizations', account.organization.slug, '--yes');
  t.equal(closed.status, 0, closed.stderr);
  const dead = await giveUp();
  t.equal(dead.length, 1);
  await retry(dead);
  t.match((await mailbox.next(to)).headers.get('subject'), /closed/);
  const kept = await database.query('SELECT id FROM outbox WHERE done_at IS NOT NULL AND recipient_sealed IS NOT NULL');
  t.same(kept, [], 'no mail that is done has a receiver');
});
