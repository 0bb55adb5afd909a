// Only the newest mail of an invitation that has not ended is sent, and the token is only in this mail.
import t from 'tap';
import { openMail } from '../../../src/base/mail/smtp.ts';
import { dueNow, keepingLog, openQuiet, outboxOf, rowOf } from '../../base/outbox/rows.ts';
import { lookupOf } from '../../support/personal.ts';
import { refused } from '../../support/raw.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';
import { freshEmail, registering } from './inviting.ts';

t.test('only the newest mail of an invitation is sent, and no mail of an ended invitation', async (t) => {
  const inviting = await openQuiet(t);
  const [renewed, revoked, expired] = [freshEmail(), freshEmail(), freshEmail()];
  await inviting.invite(renewed);
  await inviting.invite(renewed);
  const { body } = await inviting.invite(revoked);
  await inviting.api.delete(`/invitations/${body.data.id}`, { token: inviting.owner.accessToken });
  await inviting.invite(expired);
  await inviting.database.query(`UPDATE invitations SET expires_at = now() WHERE email_lookup = $1`, [
    lookupOf('invitations.email', expired),
  ]);
  const sent: string[] = [];
  await outboxOf(inviting, async ({ to }) => void sent.push(to)).sendDue();
  t.same(sent, [renewed]);
  const open = await inviting.database.query(`SELECT 1 FROM outbox WHERE kind = 'invitation' AND done_at IS NULL`);
  t.same(open, []);
});

t.test('no token is in the database or in the log, even if the mail server repeats the mail', async (t) => {
  const inviting = await openQuiet(t);
  const { database, mailbox } = inviting;
  const log = keepingLog();
  const send = openMail({ url: mailbox.url, from: 'Tenantry <no-reply@example.com>', production: true, log });
  const outbox = outboxOf(inviting, send ?? (() => Promise.reject(new Error('no transport'))), { log });
  const email = freshEmail();
  await inviting.invite(email);
  mailbox.refuse(1);
  await outbox.sendDue();
  t.match((await rowOf(inviting, email)).failure, /^message_refused .*451/);
  await dueNow(inviting);
  await outbox.sendDue();
  const token = tokenIn(await mailbox.next(email));
  const tables = await database.query<{ name: string }>(
    `SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  const bytes = Buffer.from(token, 'base64url');
  for (const { name } of tables) {
    const rows = await database.query<{ row: string }>(`SELECT row_to_json(t)::text AS row FROM "${name}" t`);
    const dump = rows.map(({ row }) => row).join('\n');
    for (const form of [token, bytes.toString('hex'), bytes.toString('base64'), Buffer.from(token).toString('hex')]) {
      t.notOk(dump.includes(form), name);
    }
    for (const found of dump.match(/[\w-]{43,}|[0-9a-f]{64}/g) ?? []) {
      refused(t, await inviting.api.post('/invitations/accept', registering(found)), 'invitation_invalid', `${name}`);
    }
  }
  t.notMatch(log.lines.join(), email);
  t.notMatch(log.lines.join(), /token=/);
  t.equal((await inviting.api.post('/invitations/accept', registering(token))).status, 200);
});
