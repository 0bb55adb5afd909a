// The catalogue of events is complete: it has every type that a statement writes, a statement writes each of its
// types, and every row matches its type.
import t from 'tap';
import { EVENT_TYPES, EVENTS, isEventType } from '../../../src/base/events/catalogue.ts';
import { record } from '../../../src/base/events/record.ts';
import { CAUSES } from '../../credentials/revocations/causes/causes.ts';
import { openTokenHolders } from '../../credentials/revocations/causes/token-holders.ts';
import { createDatabase, type TestDatabase } from '../../support/database.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { seedOrganization, seedPerson } from '../../support/fixtures/people.ts';
import { openService } from '../../support/service.ts';
import { sourcesBelow } from '../../support/sources.ts';
import { ACTIONS } from './actions.ts';
import { openEventCheck } from './rows.ts';
import { eventStatements, statementsOf } from './statements.ts';

t.test('every type is named by a noun and a participle, and short sentences say when it is recorded', async (t) => {
  for (const type of EVENT_TYPES) {
    t.match(type, /^[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*$/);
    t.match(type, /(ed|left|set)$/, 'it is a past participle');
    t.match(EVENTS[type].when, /^((?=[A-Z`])([^.!?`]|`[^`]+`)*\.( |$)){1,3}$/, type);
  }
});

t.test('every statement that inserts events names types of the catalogue', async (t) => {
  const statements = eventStatements();
  t.ok(statements.length > 10, 'statements are found');
  for (const { path, types } of statements) {
    t.ok(types, `${path} writes its types as literals`);
    t.strictSame(
      types?.filter((type) => !isEventType(type)),
      [],
      path,
    );
  }
  const source = sourcesBelow('src', /\.ts$/);
  const inserting = source.flatMap(({ code }) => code.match(/\binto\s+\S*(events\b|\$\{)/gi) ?? []);
  t.equal(inserting.length, statements.length, 'no other kind of statement inserts events');
  const byModel = source.filter(({ code }) => /\bevent\.(create|upsert|update|delete)/.test(code));
  t.strictSame(
    byModel.map(({ path }) => path),
    ['src/base/events/record.ts'],
    'apart from them, only record() writes',
  );
});

t.test('a statement whose types cannot be read, or are not in the catalogue, is noticed', async (t) => {
  const typesOf = (sql: string) => statementsOf('x', `\`${sql}\``).map(({ types }) => types);
  const into = 'INSERT INTO events (id, type, target_id)';
  t.strictSame(typesOf(`${into} SELECT f(a, b), 'user.reborn', id FROM a`), [['user.reborn']]);
  t.strictSame(
    typesOf(
      `WITH a AS (${into} SELECT a, CASE $2 WHEN 'x' THEN 'a.b' ELSE 'c.d' END, id FROM a) SELECT 'e.f', 'g.h' FROM b`,
    ),
    [['a.b', 'c.d']],
  );
  t.strictSame(typesOf(`${into} SELECT a, 'a.b', c FROM d UNION ALL SELECT a, 'e.f', c FROM d`), [['a.b', 'e.f']]);
  for (const type of ['$2::text', 'type', `CASE a WHEN 1 THEN $2 ELSE 'a.b' END`]) {
    t.strictSame(typesOf(`${into} SELECT a, ${type}, 'a.b' FROM d`), [null], type);
  }
  t.strictSame(typesOf(`${into} VALUES (a, 'a.b', c)`), [null]);
});

t.test('every type of the catalogue has a writer', async (t) => {
  const source = sourcesBelow('src', /\.ts$/).filter(({ path }) => !path.startsWith('src/base/events/'));
  const written = new Set(
    source.flatMap(({ code }) => [...code.matchAll(/'([a-z_]+\.[a-z_]+)'/g)].map(([, type]) => type)),
  );
  t.strictSame(
    EVENT_TYPES.filter((type) => !written.has(type)),
    [],
  );
});

// test/credentials/revocations/causes/causes.test.ts checks the events that end tokens.
t.test('every recorded event matches the catalogue, and every type of the catalogue is recorded', async (t) => {
  const database = await createDatabase(t);
  const holders = await openTokenHolders(await openService(t, database), database);
  const check = openEventCheck(database);
  for (const [title, happen] of Object.entries(ACTIONS)) {
    await check.readIds();
    await t.resolves(happen(holders), title);
    await check.readIds();
  }
  t.strictSame(await check.unfitEvents(), []);
  const happened = [...(await check.types()), ...Object.values(CAUSES).map(({ event }) => event)];
  t.strictSame([...new Set(happened)].sort(), [...EVENT_TYPES].sort());
});

interface Planted {
  readonly type: string;
  readonly organization?: string | null;
  readonly actor?: string | null;
  readonly target?: string | null;
  readonly data?: object;
}

function plantEvent(
  database: TestDatabase,
  { type, organization = null, actor = null, target = null, data = {} }: Planted,
) {
  return database.query(
    'INSERT INTO events (id, type, organization_id, actor_id, target_id, data) VALUES (gen_random_uuid(), $1, $2, $3, $4, $5)',
    [type, organization, actor, target, data],
  );
}

t.test('a row that does not match the catalogue is noticed', async (t) => {
  const database = await createDatabase(t);
  const { userId: user } = await seedPerson(database);
  const { id: organization } = await seedOrganization(database);
  const { id: client } = await seedClient(database, { organizationId: null, permissions: [] });
  const renamed = { type: 'user.renamed', actor: user, target: user };
  const left = { type: 'member.left', actor: user, target: user, organization };
  const changed = {
    type: 'organization.changed',
    actor: user,
    target: organization,
    organization,
    data: { changed: ['name'] },
  };
  const check = openEventCheck(database);
  await check.readIds();
  for (const good of [renamed, left, changed]) await plantEvent(database, good);
  t.strictSame(await check.unfitEvents(), []);
  const wrong: [Planted, RegExp][] = [
    [{ ...renamed, type: 'user.reborn' }, /not in the catalogue/],
    [{ ...renamed, actor: null }, /actor is nobody/],
    [{ ...renamed, actor: client }, /actor is client/],
    [{ ...renamed, target: organization }, /target is organization/],
    [{ ...renamed, target: null }, /target is installation/],
    [{ ...renamed, organization }, /belongs never/],
    [{ ...left, organization: null }, /belongs always/],
    [{ ...left, organization: user }, /no organization/],
    [{ ...renamed, data: { email: 'ada@example.com' } }, /its data/],
    [{ ...changed, data: {} }, /its data/],
    [{ ...changed, data: { changed: ['slug'] } }, /its data/],
  ];
  for (const [row, complaint] of wrong) {
    await database.query('DELETE FROM events');
    await plantEvent(database, row);
    const found = await check.unfitEvents();
    t.equal(found.length, 1, JSON.stringify(row));
    t.match(found[0], complaint);
  }
});

// Nothing calls this function. The compiler checks it, and reports a marked line that compiles as an error.
export async function refusedByTheCompiler(tx: Parameters<typeof record>[0]): Promise<void> {
  const about = { id: 'id', actorId: 'user', targetId: 'user' };
  await record(tx, { ...about, type: 'user.renamed', organizationId: null });
  await record(tx, {
    ...about,
    type: 'role.deleted',
    organizationId: 'o',
    data: { name: 'n', level: 1, permissions: [] },
  });
  // @ts-expect-error: the catalogue has no such type
  await record(tx, { ...about, type: 'user.reborn', organizationId: null });
  // @ts-expect-error: an event of this type has no organization
  await record(tx, { ...about, type: 'user.renamed', organizationId: 'o' });
  // @ts-expect-error: an event of this type needs an organization
  await record(tx, { ...about, type: 'member.left', organizationId: null });
  // @ts-expect-error: an event of this type has no actor, because an operator causes it
  await record(tx, { ...about, type: 'user.disabled', organizationId: null });
  // @ts-expect-error: an event of this type has no target, because it is about the whole installation
  await record(tx, { ...about, actorId: null, type: 'sessions.all_ended', organizationId: null, data: { live: 1 } });
  // @ts-expect-error: an event of this type needs data
  await record(tx, { ...about, type: 'organization.created', organizationId: 'o' });
  // @ts-expect-error: the data belongs to an event of another type
  await record(tx, { ...about, type: 'organization.created', organizationId: 'o', data: { changed: ['name'] } });
  // @ts-expect-error: the data has a member that the type does not allow
  await record(tx, { ...about, type: 'organization.created', organizationId: 'o', data: { slug: 's', email: 'e' } });
}
