// The list of a large organization is read in slices. Its answers are the same as for a small organization.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { listMembers } from '../../../src/directory/members/list-members.ts';
import { AT_ONCE_MAX } from '../../../src/directory/users/search-store.ts';
import { atOnce } from '../../support/client.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { insertPeople, type PersonRow } from '../../support/personal.ts';

const MEMBERS = 12_345; // more than two slices

/** Inserts members. Neither their names nor the instants at which they joined follow the order of their ids. */
async function seedMembers(database: TestDatabase, organizationId: string): Promise<void> {
  const people = Array.from({ length: MEMBERS }, (_, index): PersonRow => {
    const n = index + 1;
    const name = `${n % 1000 === 0 ? 'Zoë' : 'Member'} ${n}`;
    return { id: randomUUID(), email: `person${n}@example.com`, name };
  });
  await insertPeople(database, people);
  await database.query(
    `INSERT INTO memberships (organization_id, user_id, status, joined_at)
     SELECT $1, id, CASE WHEN n % 4000 = 0 THEN 'suspended' ELSE 'active' END,
       timestamptz '2026-01-01' + n * interval '1 second'
     FROM unnest($2::uuid[]) WITH ORDINALITY AS p (id, n)`,
    [organizationId, people.map(({ id }) => id)],
  );
}

t.test('a search in a large organization finds every match, counts all of them, and pages through them', async (t) => {
  const { database, api, organization, join } = await openTeam(t);
  const owner = await join('owner', 'Olga');
  await seedMembers(database, organization.id);
  t.ok(MEMBERS > AT_ONCE_MAX);
  const ask = async (query: Record<string, string>) => {
    const reply = await api.get(`/users?${new URLSearchParams(query)}`, { token: owner.token });
    if (reply.status !== 200) throw new Error(`${reply.status} ${reply.text}`);
    return { names: reply.body.data.map(({ name }: { name: string }) => name), pagination: reply.body.pagination };
  };
  const zoes = Array.from({ length: 12 }, (_, index) => `Zoë ${(index + 1) * 1000}`);
  t.same(await ask({ q: 'ZOË' }), {
    names: zoes,
    pagination: { total: 12, limit: 20, offset: 0, hasMore: false },
  });
  t.same(await ask({ q: 'zoë', limit: '5', offset: '10' }), {
    names: zoes.slice(10),
    pagination: { total: 12, limit: 5, offset: 10, hasMore: false },
  });
  t.same(await ask({ q: 'person', limit: '2', offset: '12000' }), {
    names: ['Member 12001', 'Member 12002'],
    pagination: { total: MEMBERS, limit: 2, offset: 12_000, hasMore: true },
  });
  t.same(await ask({ status: 'suspended' }), {
    names: ['Zoë 4000', 'Zoë 8000', 'Zoë 12000'],
    pagination: { total: 3, limit: 20, offset: 0, hasMore: false },
  });
  t.same(await ask({ role: 'owner' }), {
    names: ['Olga'],
    pagination: { total: 1, limit: 20, offset: 0, hasMore: false },
  });
  t.same(await ask({ q: 'nobody has this name' }), {
    names: [],
    pagination: { total: 0, limit: 20, offset: 0, hasMore: false },
  });
  // A text of at most three characters is found by the index alone. A longer text is compared, too. Both are tried with
  // a filter.
  for (const q of ['zo', 'zoë ']) {
    t.same(await ask({ q, status: 'suspended', limit: '2', offset: '1' }), {
      names: ['Zoë 8000', 'Zoë 12000'],
      pagination: { total: 3, limit: 2, offset: 1, hasMore: false },
    });
    t.same(await ask({ q, offset: '900' }), {
      names: [],
      pagination: { total: 12, limit: 20, offset: 900, hasMore: false },
    });
    t.same((await ask({ q, role: 'owner' })).pagination.total, 0, 'no owner has this name');
  }
  t.same(await ask({ q: 'olg', role: 'owner' }), {
    names: ['Olga'],
    pagination: { total: 1, limit: 20, offset: 0, hasMore: false },
  });
  t.same(await ask({ limit: '2', offset: '12344' }), {
    names: ['Member 12345', 'Olga'],
    pagination: { total: MEMBERS + 1, limit: 2, offset: 12_344, hasMore: false },
  });
  t.same(await ask({ offset: '900000' }), {
    names: [],
    pagination: { total: MEMBERS + 1, limit: 20, offset: 900_000, hasMore: false },
  });
  const same = await atOnce(8, () => ask({ q: 'zoë' }));
  for (const { names } of same) t.same(names, zoes, 'searches at the same time find the same');
});

t.test('lists of a large organization run one at a time, and hold no connection between two slices', async (t) => {
  const { database, service, organization, join } = await openTeam(t);
  const owner = await join('owner', 'Olga');
  await seedMembers(database, organization.id);
  const { db } = service.app.parts;
  let [scans, most, statements] = [0, 0, 0];
  const watched: typeof db = {
    ...db,
    scanOrganization: (scope, work) =>
      db.scanOrganization(scope, async (reader) => {
        scans += 1;
        most = Math.max(most, scans);
        const counted = {
          personal: reader.personal,
          rows: <Row>(...asked: Parameters<typeof reader.rows>) => {
            statements += 1;
            return reader.rows<Row>(...asked);
          },
        };
        return work(counted).finally(() => {
          scans -= 1;
        });
      }),
  };
  const caller = { organizationId: organization.id, id: owner.userId } as Parameters<typeof listMembers>[1];
  const asked = { status: 'suspended', limit: 20, offset: 0 } as const;
  const answers = await Promise.all(Array.from({ length: 6 }, () => listMembers({ db: watched }, caller, asked)));
  for (const { pagination } of answers) t.equal(pagination.total, 3);
  t.equal(most, 1);
  t.equal(statements, 6 * 5, 'the ends of the slices, three slices, the members');
});
