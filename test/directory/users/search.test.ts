// A search in sealed names and e-mail addresses finds exactly what a plain comparison finds.
import { createHash } from 'node:crypto';
import pg from 'pg';
import t from 'tap';
import { findFew, findPeople } from '../../../src/directory/users/search.ts';
import { AMONG_MANY, AT_ONCE_MAX } from '../../../src/directory/users/search-store.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { seededId, seedOrganization } from '../../support/fixtures/people.ts';
import { insertPeople, testPersonal } from '../../support/personal.ts';
import { openService } from '../../support/service.ts';
import { cases } from '../../support/thorough.ts';

const SCRIPTS: Readonly<Record<string, string>> = {
  latin: 'abcdefghijklmnopqrstuvwxyz',
  accents: 'àâäçéèêëîïôöùûüÿñæœßÅØŁŽŠčěřů',
  turkish: 'ıİşŞğĞçÇöü',
  greek: 'αβγδεζηθικλμνξοπρσςτυφχψωΆΈΉ',
  cyrillic: 'абвгдежзийклмнопрстуфхцчшщъыьэюяЁ',
  hebrew: 'אבגדהוזחטיכלמנסעפצקרשת',
  arabic: 'ابتثجحخدذرزسشصضطظعغفقكلمنهوي',
  devanagari: 'अआइईउकखगघचछजझटठडढणतथदधनपफबभम',
  thai: 'กขคงจฉชซญดตถทธนบปผฝพฟภมยรลวศสหอ',
  chinese: '王李张刘陈杨黄赵吴周徐孙马朱胡郭何',
  japanese: 'あいうえおかきくけこアイウエオ山田太郎',
  korean: '가나다라마바사아자차카타파하김이박최',
  emoji: '👩🚀🎉🌍🧪👍🏽',
  wide: 'ＡＢＣａｂｃ１２３ﬁﬂ㍿',
};
const PEOPLE = 10_000;
const QUERIES = cases(400);

/** Numbers that are the same in every run. */
function sequence(seed: string) {
  let count = 0;
  return (below: number) => {
    count += 1;
    return createHash('sha256').update(`${seed} ${count}`).digest().readUInt32BE(0) % below;
  };
}

const next = sequence('search');
const alphabets = Object.values(SCRIPTS).map((letters) => Array.from(letters));
const word = (letters: readonly string[]) =>
  Array.from({ length: 1 + next(7) }, () => letters[next(letters.length)] ?? '').join('');

function someName(): string {
  const letters = alphabets[next(alphabets.length)] ?? [];
  const words = Array.from({ length: 1 + next(3) }, () => word(letters));
  const joined = words.join([' ', '-', ' '][next(3)]);
  return [joined, joined.toUpperCase(), joined.normalize('NFD')][next(3)] ?? joined;
}

// The plain reference, written without the code under test.
const folded = (text: string) =>
  [...text.normalize('NFKC')].map((character) => character.toUpperCase().toLowerCase()).join('');

async function planOf(database: TestDatabase, mode: string, grams: readonly string[], organizationId: string) {
  const client = new pg.Client({ connectionString: database.systemUrl });
  await client.connect();
  try {
    await client.query(`SET plan_cache_mode = ${mode}`);
    await client.query(`PREPARE asked (text[], uuid) AS ${AMONG_MANY.text}`);
    const { rows } = await client.query(`EXPLAIN EXECUTE asked ('{${grams.join()}}', '${organizationId}')`);
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  } finally {
    await client.end();
  }
}

t.test('a search finds the same people as a plain comparison, in many scripts', async (t) => {
  const database = await createDatabase(t);
  const { db } = (await openService(t, database)).app.parts;
  const people = Array.from({ length: PEOPLE }, (_, n) => {
    return {
      id: seededId(),
      name: someName(),
      email: `${word(alphabets[0] ?? [])}.${n}@${word(alphabets[0] ?? [])}.example`,
    };
  });
  await insertPeople(database, people);
  const [large, small] = [await seedOrganization(database), await seedOrganization(database)];
  const members = { [large.id]: people.slice(0, PEOPLE / 2), [small.id]: people.slice(0, 900) };
  t.ok(PEOPLE / 2 > AT_ONCE_MAX);
  for (const [id, joined] of Object.entries(members)) {
    await database.query('INSERT INTO memberships (organization_id, user_id) SELECT $1, unnest($2::uuid[])', [
      id,
      joined.map((person) => person.id),
    ]);
  }
  await database.query('ANALYZE');
  const plain = (among: typeof people, query: string) =>
    among
      .filter(({ name, email }) => folded(name).includes(folded(query)) || folded(email).includes(folded(query)))
      .map(({ id }) => id)
      .sort();
  const reader = db.systemReader();
  let found = 0;
  for (let count = 0; count < QUERIES; count += 1) {
    const { name, email } = people[next(PEOPLE)] ?? { name: '', email: '' };
    const characters = Array.from(next(4) === 0 ? email : name);
    const from = next(characters.length);
    const part = characters.slice(from, from + 1 + next(6)).join('');
    const query = [part, part.toUpperCase(), part.toLowerCase(), `${part}x`][next(4)] ?? part;
    const label = JSON.stringify(query);
    const everywhere = plain(people, query);
    found += everywhere.length;
    t.same((await findPeople(reader, query, null)).sort(), everywhere, label);
    t.same((await findPeople(reader, query, large.id)).sort(), plain(members[large.id] ?? [], query), label);
    t.same((await findFew(reader, query, small.id))?.sort(), plain(members[small.id] ?? [], query), label);
  }
  t.ok(found > QUERIES, 'the queries find people');
  const { grams } = testPersonal.searched('nobody has this name');
  for (const mode of ['force_custom_plan', 'force_generic_plan']) {
    t.match(await planOf(database, mode, grams, large.id), 'user_search_grams_idx', mode);
  }
  t.equal(await findFew(reader, 'a', large.id), null, 'a large organization is searched by the index');
  t.equal((await findPeople(reader, '', null)).length, PEOPLE, 'every text contains the empty text');
});
