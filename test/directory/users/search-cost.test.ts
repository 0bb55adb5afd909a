// A search costs little, even if names and query were chosen to make it expensive.
import t from 'tap';
import type { SystemReader } from '../../../src/base/database/db.ts';
import { gramsOfQuery, normalForm } from '../../../src/base/secrets/grams.ts';
import type { Open } from '../../../src/base/secrets/personal.ts';
import { findFew } from '../../../src/directory/users/search.ts';
import { testDataKeys } from '../../support/data-keys.ts';
import { createDatabase } from '../../support/database.ts';
import { seededId, seedOrganization } from '../../support/fixtures/people.ts';
import { insertPeople } from '../../support/personal.ts';
import { openService } from '../../support/service.ts';

const PEOPLE = 1_000;
const POINTS = Array.from({ length: 0x3_0000 }, (_, point) => point).filter(
  (point) => point < 0xd800 || point > 0xdfff,
);
/** The characters whose compatibility composition (NFKC) has four or more characters. */
const WIDE = POINTS.map((point) => String.fromCodePoint(point)).filter(
  (one) => one.normalize('NFC') === one && Array.from(one.normalize('NFKC')).length >= 4,
);
const NAME = WIDE.slice(0, 119).join('');

t.test('a query of any length has few parts, which come from all of the query', (t) => {
  const key = testDataKeys.lookupKey();
  t.ok(Array.from(normalForm(NAME)).length > 300, 'the name is long once it is compared');
  t.ok(gramsOfQuery(key, NAME).grams.length <= 16);
  t.equal(gramsOfQuery(key, NAME).isExact, false);
  const [one, other] = [
    gramsOfQuery(key, `${'0123456789'.repeat(8)}abcdefgh`),
    gramsOfQuery(key, '0123456789'.repeat(8)),
  ];
  t.ok(
    one.grams.some((gram) => !other.grams.includes(gram)),
    'what is at the end counts, too',
  );
  t.equal(gramsOfQuery(key, 'abcd').grams.length, 2);
  t.end();
});

t.test('the form in which texts are compared is that of each character, whatever is around it', (t) => {
  const alone = (text: string) =>
    Array.from(text.normalize('NFKC'), (character) => character.toUpperCase().toLowerCase()).join('');
  const texts = POINTS.flatMap((point) => {
    const one = String.fromCodePoint(point);
    return [one, `aΣ${one}`, `${one}Σ`, `Σ ${one}Σ`];
  });
  t.same(texts.filter((text) => normalForm(text) !== alone(text)).slice(0, 5), []);
  t.end();
});

t.test('a search lets other work run after every few people that it compares', async (t) => {
  const database = await createDatabase(t);
  const { db } = (await openService(t, database)).app.parts;
  const people = Array.from({ length: PEOPLE }, (_, n) => ({
    id: seededId(),
    name: `${NAME}z`,
    email: `p${n}@example.com`,
  }));
  await insertPeople(database, people);
  const { id } = await seedOrganization(database);
  await database.query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [
    id,
    people.map((person) => person.id),
  ]);
  const reader = db.systemReader();
  let inThisTurn = 0;
  let most = 0;
  let isOver = false;
  const turn = () => {
    most = Math.max(most, inThisTurn);
    inThisTurn = 0;
    if (!isOver) setImmediate(turn);
  };
  const counted =
    (open: Open): Open =>
    (column, row, value) => {
      inThisTurn += 1;
      return open(column, row, value);
    };
  const watched = {
    rows: reader.rows.bind(reader),
    personal: {
      searched: (query: string) => db.personal.searched(query),
      isSealed: true,
      opening: <T>(work: (open: Open) => T) => db.personal.opening((open) => work(counted(open))),
    },
  } as unknown as SystemReader;
  setImmediate(turn);
  const found = await findFew(watched, `${NAME}z`, id);
  isOver = true;
  t.equal(found?.length, PEOPLE);
  t.ok(most > 0 && most <= 100, `${most} values were opened without a pause`);
});
