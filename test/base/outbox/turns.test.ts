// The organizations take turns at sending: the many mails of one do not delay those of another.
import t from 'tap';
import { claimMails } from '../../../src/base/outbox/store.ts';
import { createDatabase } from '../../support/database.ts';
import { seedOrganization } from '../../support/fixtures/people.ts';
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
      const claimed = await claimMails(app.parts.db.systemReader(), ['invitation'], count, 60);
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
