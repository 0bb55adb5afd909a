// Operators list and search accounts. A search reads all accounts in slices, and its pages are the same as if it had
// read one list.
import t from 'tap';
import type { Database } from '../../../src/base/database/db.ts';
import { SLICE_ACCOUNTS } from '../../../src/directory/users/account-store.ts';
import { type AccountSearch, listAccounts } from '../../../src/directory/users/accounts.ts';
import { createDatabase } from '../../support/database.ts';
import { seedOrganization } from '../../support/fixtures/people.ts';
import { insertPeople, type PersonRow, testPersonal } from '../../support/personal.ts';
import { openService } from '../../support/service.ts';

const ALL: AccountSearch = { text: null, status: null, organizationId: null };
const TOTAL = 2 * SLICE_ACCOUNTS + 300;

t.test('searches find every match in all slices, the oldest first', async (t) => {
  const database = await createDatabase(t);
  const { db } = (await openService(t, database)).app.parts;
  const organization = await seedOrganization(database);
  const people = Array.from({ length: TOTAL }, (_, index): PersonRow => {
    const n = index + 1;
    const id = `01970000-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
    const name = `${n % 1000 === 7 ? 'Änne' : 'Person'} ${n}`;
    return { id, email: `P${n}@Example.com`, name, status: n % 5000 === 9 ? 'disabled' : 'active' };
  });
  await insertPeople(database, people);
  const joined = people.filter(({ name, email }) => name.startsWith('Änne') || email.startsWith('P5'));
  await database.query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [
    organization.id,
    joined.map(({ id }) => id),
  ]);
  const list = async (search: Partial<AccountSearch>, page = { limit: 20, offset: 0 }) => {
    const { data, pagination } = await listAccounts({ db }, { ...ALL, ...search }, page);
    return { found: data.map(({ email }) => Number(email.slice(1, email.indexOf('@')))), ...pagination };
  };
  const every = Array.from({ length: 11 }, (_, thousand) => thousand * 1000 + 7).filter((n) => n <= TOTAL);
  t.match(await list({ text: 'äNNE' }), { found: every, total: every.length, hasMore: false });
  for (const offset of [0, 4, 5, 10, 11]) {
    const page = await list({ text: 'Änne' }, { limit: 3, offset });
    t.same(page.found, every.slice(offset, offset + 3), `offset ${offset}`);
    t.match(page, { total: every.length, hasMore: offset + 3 < every.length });
  }
  t.same((await list({ text: 'P10300@EXAMPLE' })).found, [10_300], 'the last account of all');
  t.same((await list({ text: 'nobody' })).found, []);
  t.match(await list({ status: 'disabled' }), { found: [9, 5009, 10_009], total: 3 });
  const organizationId = organization.id;
  t.match(await list({ organizationId, text: 'änne' }), { found: every, total: every.length });
  const [members] = await database.query<{ total: number }>('SELECT count(*)::int AS total FROM memberships');
  t.match(await list({ organizationId }, { limit: 1, offset: 0 }), { found: [5], total: members?.total });
  t.match(await list({ organizationId, status: 'disabled' }), { found: [5009], total: 1 });
  t.match(await list({}, { limit: 2, offset: TOTAL - 1 }), { found: [TOTAL], total: TOTAL, hasMore: false });
});

t.test('a search reads slice after slice, and then only the accounts of the page', async (t) => {
  const asked: unknown[][] = [];
  const pages = [
    { fitting: ['a'], lookedAt: SLICE_ACCOUNTS, last: 'm' },
    { fitting: ['n', 'o'], lookedAt: SLICE_ACCOUNTS - 1, last: 'z' },
  ];
  const reader = {
    rows: async (_: unknown, values: unknown[]) => {
      asked.push(values);
      return asked.length <= pages.length ? [pages[asked.length - 1]] : [];
    },
  };
  const db = { systemReader: () => ({ ...reader, personal: testPersonal }) } as unknown as Database;
  const { pagination } = await listAccounts({ db }, { ...ALL, status: 'active' }, { limit: 1, offset: 1 });
  t.equal(pagination.total, 3);
  t.same(
    asked.slice(0, 2).map(([, after]) => after),
    ['00000000-0000-0000-0000-000000000000', 'm'],
  );
  t.same(asked[2], [['n']], 'only the accounts of the page are read');
});
