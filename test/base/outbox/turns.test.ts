// The senders take turns: the many mails of one do not delay those of another.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import type { MailRow } from '../../../src/base/outbox/kinds.ts';
import { openOutbox } from '../../../src/base/outbox/outbox.ts';
import { claimMails } from '../../../src/base/outbox/store.ts';
import { createDatabase } from '../../support/database.ts';
import { seedOrganization, seedPerson } from '../../support/fixtures/people.ts';
import { openService } from '../../support/service.ts';

t.test(
  'a mail of another organization, or of none, goes before the second mail of an organization with many',
  async (t) => {
    const database = await createDatabase(t);
    const { app } = await openService(t, database);
    await app.parts.outbox.stop();
    const [busy, other] = [await seedOrganization(database), await seedOrganization(database)];
    // $1 is the organization or null, $2 the number of mails, and $3 the seconds for which the mails have been due.
    const ask = (organizationId: string | null, mails: number, seconds: number) =>
      database.query(
        `INSERT INTO outbox (id, organization_id, kind, subject_id, due_at)
       SELECT gen_random_uuid(), $1::uuid, 'invitation', gen_random_uuid(), now() - ($3::int - n * 0.001) * interval '1 second'
       FROM generate_series(1, $2::int) n`,
        [organizationId, mails, seconds],
      );
    await ask(busy.id, 200, 600);
    await ask(other.id, 2, 60);
    await ask(null, 2, 30);
    const claim = async (count: number) => {
      const claiming = { kinds: ['invitation'], count, leaseSeconds: 60, recentSenders: [] };
      const claimed = await claimMails(app.parts.db.systemReader(), claiming);
      return claimed.map(({ organizationId }) => organizationId).sort();
    };
    const sorted = (...ids: (string | null)[]) => ids.sort();
    t.same(await claim(4), sorted(busy.id, other.id, null, null), 'one of each first');
    t.same(await claim(4), sorted(busy.id, other.id, busy.id, busy.id));
    const [first, second] = await Promise.all([claim(4), claim(4)]);
    t.same(
      [...(first ?? []), ...(second ?? [])],
      Array(8).fill(busy.id),
      'two processes at once claim different mails',
    );
    t.equal((await claim(300)).length, 200 - 12);
    t.same(await claim(4), [], 'every mail is claimed once');
  },
);

/** Opens an outbox on an empty table, whose mails are taken in the order of `taken`. */
async function openTaking(t: Test) {
  const database = await createDatabase(t);
  const { app } = await openService(t, database);
  await app.parts.outbox.stop();
  const taken: MailRow[] = [];
  const kinds = [
    {
      kind: 'notice',
      async prepare(_: unknown, row: MailRow) {
        taken.push(row);
        return null;
      },
    },
  ];
  const { db, log } = app.parts;
  const outbox = openOutbox({ db, log, kinds, send: async () => undefined });
  /** Requests mails about a person, the first of them due since `seconds`. */
  const ask = (subjectId: string, mails: number, seconds: number) =>
    database.query(
      `INSERT INTO outbox (id, kind, subject_id, due_at)
       SELECT gen_random_uuid(), 'notice', $1::uuid, now() - ($3::int - n * 0.001) * interval '1 second'
       FROM generate_series(1, $2::int) n`,
      [subjectId, mails, seconds],
    );
  /** What the four mails of the first claim are about. */
  const claimed = async () => {
    const claiming = { kinds: ['notice'], count: 4, leaseSeconds: 60, recentSenders: [] };
    return (await claimMails(db.systemReader(), claiming)).map(({ subjectId }) => subjectId);
  };
  return { database, outbox, taken, ask, claimed };
}

t.test('a mail about one person is in the first claim, after 500 or thousands of mails about another', async (t) => {
  for (const many of [500, 5_000]) {
    const { ask, claimed } = await openTaking(t);
    const other = randomUUID();
    await ask(randomUUID(), many, 3_600);
    await ask(other, 1, 0);
    t.ok((await claimed()).includes(other), `${many} mails`);
  }
});

t.test('all mails to one user are of one sender', async (t) => {
  const { database, ask, claimed } = await openTaking(t);
  const { userId } = await seedPerson(database);
  await database.query(
    `INSERT INTO outbox (id, kind, user_id, subject_id, due_at)
     SELECT gen_random_uuid(), 'notice', $1::uuid, gen_random_uuid(), now() - interval '1 hour' FROM generate_series(1, 40)`,
    [userId],
  );
  const other = randomUUID();
  await ask(other, 1, 0);
  t.ok((await claimed()).includes(other));
});

t.test('many senders with many old mails do not have every turn', async (t) => {
  const { outbox, taken, ask } = await openTaking(t);
  const busy = Array.from({ length: 8 }, () => randomUUID());
  for (const sender of busy) await ask(sender, 50, 3_600);
  const other = randomUUID();
  await ask(other, 1, 0);
  await outbox.sendDue();
  t.equal(taken.length, 401);
  t.ok(taken.findIndex(({ subjectId }) => subjectId === other) < 12, 'within the first round of all senders');
});
