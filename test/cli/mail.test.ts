// `tenantry mail`: unsent mail is listed with its reason, retried, or dropped.
import t from 'tap';
import { MailRefused } from '../../src/base/mail/failures.ts';
import type { SendMail } from '../../src/base/mail/smtp.ts';
import { changeAllDead } from '../../src/base/outbox/operate.ts';
import { RETRY_SECONDS } from '../../src/base/outbox/send-one.ts';
import { dueNow, openQuiet, outboxOf, rowOf } from '../base/outbox/rows.ts';
import { freshEmail } from '../directory/invitations/inviting.ts';
import { lookupOf } from '../support/personal.ts';
import { cliOn } from './command-line.ts';

const inviting = await openQuiet(t);
const { api, database, owner } = inviting;
const cli = cliOn(database);
const refusing: SendMail = async () => {
  throw new MailRefused('recipient_refused', 'RCPT TO 550');
};

/** An invitation whose mail no server accepted for 24 hours. Returns the id of the mail. */
async function deadMail(email: string): Promise<string> {
  t.equal((await inviting.invite(email)).status, 201);
  for (let attempt = 0; attempt <= RETRY_SECONDS.length; attempt += 1) {
    await outboxOf(inviting, refusing).sendDue();
    await dueNow(inviting);
  }
  return (await rowOf(inviting, email)).id;
}

const eventsOf = (id: string) =>
  database.query('SELECT type, actor_id AS actor, organization_id AS organization FROM events WHERE target_id = $1', [
    id,
  ]);

t.test('a dead letter is listed with its reason, and is sent after an operator retries it', async (t) => {
  const email = freshEmail();
  const id = await deadMail(email);
  const { stdout } = await cli('mail', 'list', '--state', 'dead');
  t.match(stdout, new RegExp(`^${id} +invitation +dead .* 11 +recipient_refused$`, 'm'));
  t.match(stdout, /^recipient_refused \(RCPT TO 550\): the mail server refused the address of the recipient/m);
  t.notMatch(stdout, email);
  const listed = await cli('mail', 'list', '--state', 'dead', '--json');
  t.match(listed.json, {
    data: [
      {
        id,
        kind: 'invitation',
        state: 'dead',
        organizationId: owner.organization.id,
        userId: null,
        attempts: 11,
        dueAt: null,
        doneAt: null,
        failure: { code: 'recipient_refused', trace: 'RCPT TO 550' },
      },
    ],
    pagination: { total: 1, hasMore: false },
  });
  t.notMatch(listed.stdout, email);
  t.match((await cli('doctor')).stdout, /^warn +outbox +1 mail is dead: see tenantry mail list --state dead/m);

  const retried = await cli('mail', 'retry', id);
  t.equal(retried.status, 0, retried.stderr);
  t.equal(retried.stdout, '1 mail will be sent while the service runs.\n');
  t.match(await rowOf(inviting, email), { attempts: 0, waiting: true });
  const again = await cli('mail', 'retry', id, '--json');
  t.equal(again.status, 0);
  t.same(again.json, { data: { changed: [], unchanged: [{ id, state: 'waiting' }] } });
  const sent: string[] = [];
  await outboxOf(inviting, async ({ to }) => void sent.push(to)).sendDue();
  t.same(sent, [email]);
  t.match((await cli('mail', 'list', '--state', 'sent', '--json')).json.data, [{ id, state: 'sent', failure: null }]);
  t.match((await cli('mail', 'retry', id)).stdout, `${id} is not dead: it is sent.`);
  t.same(await eventsOf(id), [{ type: 'mail.retried', actor: null, organization: owner.organization.id }]);
});

t.test('a dead letter is dropped after a confirmation, and is never sent', async (t) => {
  const email = freshEmail();
  const id = await deadMail(email);
  const asked = await cli('mail', 'drop', id, '--json');
  t.equal(asked.status, 2);
  t.equal(asked.json.error.code, 'confirmation_required');
  t.match(await rowOf(inviting, email), { waiting: false, done: false });
  const dropped = await cli('mail', 'drop', id, '--yes', '--json');
  t.same(dropped.json, { data: { changed: [id], unchanged: [] } });
  t.match(await rowOf(inviting, email), { waiting: false, done: true, outcome: 'dropped' });
  t.match((await cli('mail', 'retry', id)).stdout, `${id} is not dead: it is dropped.`);
  t.match((await cli('mail', 'drop', id, '--yes')).stdout, `0 mails are dropped.\n${id} is unchanged: it is dropped.`);
  await dueNow(inviting);
  await outboxOf(inviting, async () => void t.fail('sent')).sendDue();
  t.same(await eventsOf(id), [{ type: 'mail.dropped', actor: null, organization: owner.organization.id }]);
});

t.test('one command retries or drops every dead letter, and changes no other mail', async (t) => {
  const emails = [freshEmail(), freshEmail(), freshEmail()];
  for (const email of emails) await deadMail(email);
  const waiting = freshEmail();
  await inviting.invite(waiting);
  t.match((await cli('mail', 'retry', '--all-dead')).stdout, '3 mails will be sent while the service runs.');
  await database.query(`UPDATE outbox SET due_at = NULL WHERE recipient_lookup = ANY($1)`, [
    emails.map((email) => lookupOf('outbox.recipient', email)),
  ]);
  t.equal((await cli('mail', 'drop', '--all-dead')).status, 2, 'asks to confirm');
  t.match((await cli('mail', 'drop', '--all-dead', '--yes')).stdout, '3 mails are dropped.');
  t.match(
    (await cli('mail', 'drop', '--all-dead', '--json')).json,
    { data: { changed: [] } },
    'there is nothing to confirm',
  );
  t.match(await rowOf(inviting, waiting), { attempts: 0, waiting: true, done: false });
  const { id } = await rowOf(inviting, waiting);
  t.match((await cli('mail', 'drop', id, '--yes')).stdout, '1 mail is dropped.', 'a waiting mail is dropped by its id');
});

t.test('the mail of an invitation that has ended is not sent when an operator retries it', async (t) => {
  const email = freshEmail();
  const id = await deadMail(email);
  const [{ subject } = { subject: '' }] = await database.query<{ subject: string }>(
    'SELECT subject_id AS subject FROM outbox WHERE id = $1',
    [id],
  );
  t.equal((await api.delete(`/invitations/${subject}`, { token: owner.accessToken })).status, 204);
  t.equal((await cli('mail', 'retry', id)).status, 0);
  await outboxOf(inviting, async () => void t.fail('sent')).sendDue();
  t.match((await cli('mail', 'list', '--state', 'unwanted', '--json')).json.data, [{ id, state: 'unwanted' }]);
});

/** Inserts dead mails as copies of the row of one dead mail. */
async function deadMails(count: number): Promise<string[]> {
  const copied = 'organization_id, kind, subject_id, recipient_lookup, actor_id, attempts, failure, tried_at';
  const rows = await database.query<{ id: string }>(
    `INSERT INTO outbox (id, due_at, ${copied})
     SELECT gen_random_uuid(), NULL, ${copied} FROM outbox, generate_series(1, $2) WHERE id = $1 RETURNING id::text`,
    [await deadMail(freshEmail()), count],
  );
  return rows.map(({ id }) => id);
}

t.test('many mails are changed in several transactions, or none of them if one id is unknown', async (t) => {
  const ids = await deadMails(120);
  const unknown = '00000000-0000-7000-8000-000000000001';
  t.equal((await cli('mail', 'retry', ...ids, unknown, '--json')).json.error.code, 'not_found');
  const dead = () => database.query('SELECT id FROM outbox WHERE id = ANY($1) AND due_at IS NULL', [ids]);
  t.equal((await dead()).length, 120);
  const { json } = await cli('mail', 'retry', ...ids, ids[0] as string, '--json');
  t.same([...json.data.changed].sort(), [...ids].sort());
  t.same(json.data.unchanged, []);
  t.equal((await dead()).length, 0);
  const transactions = await database.query<{ events: number }>(
    'SELECT count(*)::int AS events FROM events WHERE target_id = ANY($1) GROUP BY xmin::text ORDER BY 1',
    [ids],
  );
  t.same(transactions, [{ events: 20 }, { events: 50 }, { events: 50 }]);
  t.equal((await cli('mail', 'drop', ...ids, '--yes')).status, 0);
});

t.test('a dead mail that is removed while all dead mails are changed is not reported as changed', async (t) => {
  const [gone = '', ...rest] = await deadMails(3);
  const { parts } = inviting.service.app;
  const reader = parts.db.systemReader();
  const rows: typeof reader.rows = async (...asked) => {
    const found = await reader.rows(...asked);
    await database.query('DELETE FROM outbox WHERE id = $1 AND $2', [gone, found.some((row) => 'id' in Object(row))]);
    return found as never;
  };
  const db = { ...parts.db, systemReader: () => ({ ...reader, rows }) };
  const { changed } = await changeAllDead({ ...parts, db }, 'drop');
  t.ok(rest.every((id) => changed.includes(id)));
  t.notOk(changed.includes(gone));
});

t.test('a mail that the previous version ended is not reported as sent', async (t) => {
  const [id = ''] = await deadMails(1);
  await database.query('UPDATE outbox SET done_at = now() WHERE id = $1', [id]);
  t.match((await cli('mail', 'list', '--state', 'done', '--json')).json.data, [{ id, state: 'done' }]);
  t.match((await cli('mail', 'retry', id)).stdout, `${id} is not dead: it is done.`);
  const sent = (await cli('mail', 'list', '--state', 'sent', '--limit', '100', '--json')).json.data;
  t.notOk(sent.some((mail: { id: string }) => mail.id === id));
});

t.test('if mails cannot be read, the doctor reports this beside all other findings', async (t) => {
  await database.query(
    'CREATE POLICY unreadable ON outbox AS RESTRICTIVE FOR SELECT TO tenantry_system USING (1 / 0 = 1)',
  );
  t.teardown(() => database.query('DROP POLICY unreadable ON outbox'));
  const { stdout, status } = await cli('doctor');
  t.equal(status, 1);
  t.match(stdout, /^fail +outbox +.*division by zero/m);
  t.match(stdout, /^ok +role of owners /m);
  t.match(stdout, /^ok +(database|migrations|postgresql)/im);
});

t.test('invalid commands and unknown mails are refused', async (t) => {
  const nobody = '00000000-0000-7000-8000-000000000000';
  for (const args of [['retry'], ['retry', 'x'], ['drop'], ['drop', nobody, '--all-dead'], ['list', '--state', 'x']]) {
    t.equal((await cli('mail', ...args, '--json')).status, 2, args.join(' '));
  }
  const missing = await cli('mail', 'retry', nobody, '--json');
  t.equal(missing.status, 1);
  t.equal(missing.json.error.code, 'not_found');
});
