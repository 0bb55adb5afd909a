// The mail to the former address of an account is dead after a day without a mail server. An operator can retry it as
// long as its link would work. Its recipient is stored no longer than that.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { ensureDevelopmentKeys } from '../../../src/credentials/keys/development.ts';
import { NOTICE_MAIL } from '../../../src/sign-in/own-email/mail.ts';
import { cliOn } from '../../cli/command-line.ts';
import { addDataKey, writeDataKeys } from '../../support/data-keys.ts';
import { createDatabase } from '../../support/database.ts';
import { newProvenAccount } from '../../support/fixtures/accounts.ts';
import { holdMails } from '../../support/fixtures/held-mails.ts';
import { openMailbox, tokenIn } from '../../support/servers/mailbox.ts';
import { openService } from '../../support/service.ts';
import { freshEmail, mailTo, proofIn } from './changing.ts';

const KEYS_DIR = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
t.teardown(() => rmSync(KEYS_DIR, { recursive: true, force: true }));
await ensureDevelopmentKeys(KEYS_DIR, systemClock);
writeDataKeys(KEYS_DIR);
const database = await createDatabase(t);
const mailbox = await openMailbox(t);
// Every notice is due later, so none is sent before the test gives it up.
await holdMails(database, NOTICE_MAIL);
const { app, api } = await openService(t, database, { SMTP_URL: mailbox.url, KEYS_DIR });
const cli = cliOn(database, { KEYS_DIR });
const { outbox } = app.parts;

/** Gives up the mails about the user that wait, as after a day of failures. */
const giveUp = (kind: string, userId: string) =>
  database.query<{ id: string }>(
    `UPDATE outbox SET due_at = NULL, failure = 'timeout' WHERE due_at IS NOT NULL AND kind = $1 AND subject_id = $2
     RETURNING id::text`,
    [kind, userId],
  );

const stateOf = async (id: string) => {
  const [row] = await database.query<{ state: string | null; key: string | null }>(
    `SELECT outcome AS state, encode(substr(recipient_sealed, 1, 4), 'hex') AS key FROM outbox WHERE id = $1`,
    [id],
  );
  return row;
};

/** Changes the address of a new account. The mail to its former address is dead. */
async function openDead() {
  const account = await newProvenAccount(api, database);
  const to = freshEmail();
  const asked = await api.post('/me/email', { newEmail: to }, { token: account.accessToken });
  if (asked.status !== 202) throw new Error(asked.text);
  await outbox.sendDue();
  const { token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
  const confirmed = await api.post('/auth/confirm-email-change', { token }, { token: account.accessToken });
  if (confirmed.status !== 200) throw new Error(confirmed.text);
  const [dead] = await giveUp('email_change_notice', account.userId);
  if (!dead) throw new Error('no notice was requested');
  return { account, to, id: dead.id };
}

/** Retries the mail. Returns its state after that. */
async function retry(id: string) {
  const reply = await cli('mail', 'retry', id);
  t.equal(reply.status, 0, reply.stderr);
  await outbox.sendDue();
  return stateOf(id);
}

t.test(
  'a dead notice is sealed again with a new key, is sent when it is retried, and forgets its recipient',
  async (t) => {
    const { account, id } = await openDead();
    const key = addDataKey(KEYS_DIR);
    const resealed = await cli('keys', 'reseal');
    t.equal(resealed.status, 0, resealed.stderr);
    t.match(await stateOf(id), { state: null, key });
    t.match(await retry(id), { state: 'sent', key: null });
    const token = tokenIn(await mailTo(mailbox, account.email, '/revert-email'));
    t.equal((await api.post('/auth/revert-email', { token })).status, 200, 'its link works');
  },
);

t.test('after a retry that fails, the notice can be retried again', async (t) => {
  const { account, id } = await openDead();
  t.equal((await cli('mail', 'retry', id)).status, 0);
  t.equal((await giveUp('email_change_notice', account.userId)).length, 1);
  t.match(await retry(id), { state: 'sent', key: null });
  await mailTo(mailbox, account.email, '/revert-email');
});

t.test('a dead notice forgets its recipient after the 7 days in which its link would work', async (t) => {
  const { id } = await openDead();
  const age = (interval: string) =>
    database.query(`UPDATE outbox SET created_at = now() - $2::interval WHERE id = $1`, [id, interval]);
  await age('6 days 23 hours');
  await outbox.tidy();
  t.match(await stateOf(id), { state: null, key: /./ });
  await age('7 days 1 minute');
  await outbox.tidy();
  t.match(await stateOf(id), { state: null, key: null });
  t.match(await retry(id), { state: 'unwanted' });
});

t.test('a notice that waits keeps its recipient, however old it is', async (t) => {
  const { id } = await openDead();
  await database.query(
    `UPDATE outbox SET created_at = now() - interval '8 days', due_at = now() + interval '1 hour' WHERE id = $1`,
    [id],
  );
  await outbox.tidy();
  t.match(await stateOf(id), { key: /./ });
});

t.test('a dead notice that is dropped forgets its recipient', async (t) => {
  const { id } = await openDead();
  t.equal((await cli('mail', 'drop', id, '--yes')).status, 0);
  t.match(await stateOf(id), { state: 'dropped', key: null });
});

t.test('a dead notice is unwanted, and forgets its recipient, when the account is closed', async (t) => {
  const { account, to, id } = await openDead();
  const other = await openDead();
  const closed = await cli('users', 'delete', to, '--delete-organizations', account.organization.slug, '--yes');
  t.equal(closed.status, 0, closed.stderr);
  t.match(await stateOf(id), { state: 'unwanted', key: null });
  t.match(await stateOf(other.id), { state: null, key: /./ }, 'a notice of another account stays');
});

t.test('the proof of a new address forgets its recipient when it is given up', async (t) => {
  const account = await newProvenAccount(api, database);
  const asked = await api.post('/me/email', { newEmail: freshEmail() }, { token: account.accessToken });
  t.equal(asked.status, 202, asked.text);
  const [dead] = await giveUp('email_change_confirm', account.userId);
  t.match(await stateOf(dead?.id ?? ''), { state: null, key: null });
});
