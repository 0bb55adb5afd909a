// Mails that cannot be sent are given up after a day, and old mails are removed, however many there are.
import t from 'tap';
import { freshEmail } from '../../directory/invitations/inviting.ts';
import { keepingLog, openQuiet, outboxOf, rowOf } from './rows.ts';

t.test('without a mail server, a mail waits for 24 hours, is dead then, and can be retried', async (t) => {
  const inviting = await openQuiet(t);
  const { database } = inviting;
  const [email, fresh] = [freshEmail(), freshEmail()];
  await inviting.invite(email);
  await inviting.invite(fresh);
  await database.query('DELETE FROM outbox WHERE kind <> $1', ['invitation']);
  const log = keepingLog();
  const mute = outboxOf(inviting, null, { log });
  const { id } = await rowOf(inviting, email);
  const wait = (interval: string) =>
    database.query('UPDATE outbox SET due_at = now() - $2::interval WHERE id = $1', [id, interval]);
  await wait('23 hours 59 minutes');
  await mute.sendDue();
  await mute.tidy();
  t.match(await rowOf(inviting, email), { waiting: true, attempts: 0, failure: null });
  await wait('24 hours 1 minute');
  const sending = outboxOf(inviting, async () => undefined, { log });
  await sending.tidy();
  t.match(await rowOf(inviting, email), { waiting: true }, 'a process with a mail server gives up nothing untried');
  await mute.tidy();
  t.match(await rowOf(inviting, email), { waiting: false, done: false, failure: 'no_mail_server' });
  t.match(await rowOf(inviting, fresh), { waiting: true, failure: null });
  t.match(log.lines.at(-1), /"mails":1.*without SMTP_URL/);
  t.equal(log.lines.length, 1);
});

t.test('every old mail without a further attempt is removed at once, and no other', async (t) => {
  const inviting = await openQuiet(t);
  const { database } = inviting;
  await database.query('DELETE FROM outbox');
  const insert = (mails: number, days: number, dueAt: string | null) =>
    database.query(
      `INSERT INTO outbox (id, kind, subject_id, created_at, due_at)
       SELECT gen_random_uuid(), 'invitation', gen_random_uuid(), now() - $2::int * interval '1 day', $3::timestamptz
       FROM generate_series(1, $1::int)`,
      [mails, days, dueAt],
    );
  await insert(2_500, 31, null);
  await insert(3, 29, null);
  await insert(2, 31, '2100-01-01T00:00:00Z');
  await outboxOf(inviting, async () => undefined).tidy();
  const [left] = await database.query<{ mails: number }>('SELECT count(*)::int AS mails FROM outbox');
  t.equal(left?.mails, 5);
});

t.test('more mails than one statement gives up are given up', async (t) => {
  const inviting = await openQuiet(t);
  const { database } = inviting;
  await database.query(
    `INSERT INTO outbox (id, kind, subject_id, due_at)
     SELECT gen_random_uuid(), 'invitation', gen_random_uuid(), now() - interval '2 days' FROM generate_series(1, 1500)`,
  );
  await outboxOf(inviting, null).tidy();
  const [left] = await database.query<{ mails: number }>(
    "SELECT count(*)::int AS mails FROM outbox WHERE due_at < now() - interval '1 day'",
  );
  t.equal(left?.mails, 0);
});
