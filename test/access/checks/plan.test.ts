// The query plan for the rights of a member in a database with many members.
import t from 'tap';
import { openMembershipAccess } from '../../../src/access/checks/membership-access.ts';
import { openDatabase, type Statement, statement } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { openRevocations } from '../../../src/credentials/revocations/revocations.ts';
import { createDatabase } from '../../support/database.ts';
import { UNREAD_USER } from '../../support/personal.ts';

const MEMBERS = 4_000;
const ORGANIZATIONS = 40;

const FILL = `
INSERT INTO organizations (id, name, slug) SELECT gen_random_uuid(), 'o' || n, 'o' || n FROM generate_series(1, ${ORGANIZATIONS}) n;
INSERT INTO users (id, ${UNREAD_USER.columns}) SELECT gen_random_uuid(), ${UNREAD_USER.values('n::text')} FROM generate_series(1, ${MEMBERS}) n;
INSERT INTO memberships (organization_id, user_id)
SELECT o.id, u.id FROM (SELECT id, row_number() OVER () AS n FROM users) u
JOIN organizations o ON substr(o.slug, 2)::int = 1 + u.n % ${ORGANIZATIONS};
INSERT INTO roles (id, organization_id, owner_key, name, level, permissions)
SELECT gen_random_uuid(), o.id, o.id, 'r' || n, 1, '{a:b}' FROM organizations o, generate_series(1, 50) n;
INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key)
SELECT gen_random_uuid(), m.organization_id, m.user_id, r.id, r.owner_key
FROM memberships m JOIN roles r ON r.name IN ('viewer', 'r7') AND r.owner_key IN (m.organization_id, '00000000-0000-0000-0000-000000000000');
ANALYZE;`;

t.test('the rights of one or a hundred members are found without a full table scan', async (t) => {
  const database = await createDatabase(t);
  await database.query(FILL);
  const log = openLog({ level: 'silent', pretty: false });
  const db = openDatabase({ ...database, poolSize: 1, log });
  t.teardown(() => db.close());
  const asked: { statement: Statement; values: readonly unknown[] }[] = [];
  const listening = {
    organizationReader: (scope: Parameters<typeof db.organizationReader>[0]) => ({
      personal: db.personal,
      rows: <Row>(wanted: Statement, values: readonly unknown[]) => {
        asked.push({ statement: wanted, values });
        return db.organizationReader(scope).rows<Row>(wanted, values);
      },
    }),
  };
  const access = openMembershipAccess({ db: listening, revocations: openRevocations({ db, log }) });
  const [{ id } = { id: '' }] = await database.query<{ id: string }>(`SELECT id FROM organizations WHERE slug = 'o1'`);
  const members = await database.query<{ id: string }>(
    'SELECT user_id AS id FROM memberships WHERE organization_id = $1',
    [id],
  );
  t.equal(members.length, MEMBERS / ORGANIZATIONS);
  for (const count of [1, 100]) {
    const userIds = members.slice(0, count).map((member) => member.id);
    const found = await access.grants(id, userIds);
    t.match(found.get(userIds[0] ?? '')?.assignments, [{ role: { name: 'viewer' } }, { role: { name: 'r7' } }]);
    const last = asked.at(-1);
    if (!last) throw new Error('no query was sent');
    const explained = statement(`EXPLAIN (ANALYZE, COSTS OFF) ${last.statement.text}`);
    const lines = await db
      .organizationReader({ organizationId: id })
      .rows<{ 'QUERY PLAN': string }>(explained, last.values);
    const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
    t.match(plan, /Index.* on users/);
    t.notMatch(plan, /Seq Scan on (users|memberships|role_assignments|roles)/, `${count} members`);
  }
});
