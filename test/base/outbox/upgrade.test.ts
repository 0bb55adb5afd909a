// The migration to mails of every kind while the previous version still runs. The previous version requests and claims
// mails with the statements below. This version uses its own statements.

import { randomUUID } from 'node:crypto';
import t from 'tap';
import { openDatabase } from '../../../src/base/database/db.ts';
import { enqueue } from '../../../src/base/outbox/enqueue.ts';
import type { MailKind } from '../../../src/base/outbox/kinds.ts';
import { openOutbox } from '../../../src/base/outbox/outbox.ts';
import { createFormerDatabase } from '../../support/fixtures/former-database.ts';
import { asRole } from '../database/isolation/tenant.ts';
import { keepingLog } from './rows.ts';

const THIS = '20261128000000_outbox';
const OLD_INSERT = `INSERT INTO outbox (id, organization_id, kind, subject_id, recipient_key, actor_id)
VALUES ($1::uuid, $2::uuid, 'invitation', $3::uuid, $4, $5::uuid)`;
const OLD_CLAIM = `WITH due AS (
  SELECT id FROM outbox WHERE due_at <= clock_timestamp() ORDER BY due_at LIMIT $1::int FOR UPDATE SKIP LOCKED
)
UPDATE outbox o SET attempts = o.attempts + 1, due_at = clock_timestamp() + $2::float8 * interval '1 second'
FROM due WHERE o.id = due.id
RETURNING o.id::text, o.organization_id::text AS "organizationId", o.subject_id::text AS "invitationId", o.attempts`;
const OLD_SETTLE = `UPDATE outbox SET done_at = CASE WHEN $3::text IS NULL THEN clock_timestamp() END, failure = $3,
  due_at = clock_timestamp() + $4::float8 * interval '1 second'
WHERE id = $1::uuid AND attempts = $2::int AND done_at IS NULL AND due_at IS NOT NULL`;

t.test('waiting mail is sent once after the migration, and the previous version continues to work', async (t) => {
  const { database, upgrade } = await createFormerDatabase(t, THIS);

  const [waiting, done, dead] = [randomUUID(), randomUUID(), randomUUID()];
  for (const id of [waiting, done, dead]) {
    await database.query(OLD_INSERT, [id, randomUUID(), randomUUID(), 'a@example.com', null]);
  }
  await database.query(`UPDATE outbox SET attempts = 1, due_at = NULL, done_at = now() WHERE id = $1`, [done]);
  await database.query(`UPDATE outbox SET attempts = 10, due_at = NULL, failure = 'CONN' WHERE id = $1`, [dead]);
  await upgrade();

  const log = keepingLog();
  const db = openDatabase({ ...database, poolSize: 2, log });
  t.teardown(() => db.close());
  const sent: (string | undefined)[] = [];
  const mail = { to: 'a@example.com', subject: 's', text: 't', html: 'h' };
  const kinds: MailKind[] = ['invitation', 'newer'].map((kind) => ({ kind, prepare: async () => mail }));
  const outbox = openOutbox({ db, log, kinds, send: async ({ id }) => void sent.push(id) });
  await outbox.sendDue();
  t.same(sent.splice(0), [waiting]);

  await asRole(database.systemUrl, async (ask) => {
    const [one, two, newer] = [randomUUID(), randomUUID(), randomUUID()];
    await ask(OLD_INSERT, [one, randomUUID(), randomUUID(), 'a@example.com', null]);
    await outbox.sendDue();
    t.same(sent.splice(0), [one], 'this version sends what the previous one requested');

    await db.system((tx) => enqueue(tx, { id: newer, kind: 'newer', subjectId: randomUUID() }));
    await db.system((tx) =>
      enqueue(tx, { id: two, kind: 'invitation', organizationId: randomUUID(), subjectId: randomUUID() }),
    );
    t.match(await ask(OLD_CLAIM, [4, 60]), [{ id: two, attempts: 1 }], 'the previous version gets only its kind');
    await ask(OLD_SETTLE, [two, 1, null, null]);
    await outbox.sendDue();
    t.same(sent, [newer], 'this version sends the other kind');
    const states = await ask(
      `SELECT id, due_at IS NULL AS settled, done_at IS NOT NULL AS done, outcome FROM outbox
       WHERE id = ANY($1::uuid[]) ORDER BY array_position($1::uuid[], id)`,
      [[one, two, newer, done, dead]],
    );
    t.same(
      states.map((row) => [row.settled, row.done, row.outcome]),
      [
        [true, true, 'sent'],
        [true, true, null],
        [true, true, 'sent'],
        [true, true, null],
        [true, false, null],
      ],
    );
  });
});
