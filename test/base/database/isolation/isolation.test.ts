// PostgreSQL itself separates organizations: tested with the roles of the service and plain SQL, without Tenantry's
// code.
import t, { type Test } from 'tap';
import { createDatabase } from '../../../support/database.ts';
import { type Ask, asRole, seedTenant, within } from './tenant.ts';

const SYSTEM_OWNER = '00000000-0000-0000-0000-000000000000';
const ROLES = ['tenantry_app', 'tenantry_system'];

t.test('the roles of the service own no object, and have no privileges except on rows', async (t) => {
  const database = await createDatabase(t);
  for (const role of ROLES) {
    const owned = await database.query(
      `SELECT relname FROM pg_class WHERE relowner = $1::regrole UNION ALL SELECT nspname FROM pg_namespace WHERE nspowner = $1::regrole
       UNION ALL SELECT datname FROM pg_database WHERE datdba = $1::regrole`,
      [role],
    );
    t.same(owned, [], `${role} owns nothing`);
    const held = await database.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND (has_table_privilege($1, oid, 'TRUNCATE') OR has_table_privilege($1, oid, 'REFERENCES') OR has_table_privilege($1, oid, 'TRIGGER'))`,
      [role],
    );
    t.same(held, [], `${role} can neither truncate nor reference a table nor add a trigger to it`);
    const [may] = await database.query(
      `SELECT has_schema_privilege($1, 'public', 'CREATE') AS creates, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb AS excess,
         has_table_privilege($1, 'events', 'UPDATE') OR has_table_privilege($1, 'events', 'DELETE') AS rewrites
       FROM pg_roles WHERE rolname = $1`,
      [role],
    );
    t.same(may, { creates: false, excess: false, rewrites: false }, `${role} creates nothing and changes no event`);
    const url = role === 'tenantry_app' ? database.appUrl : database.systemUrl;
    await asRole(url, async (ask) => {
      await t.rejects(ask('TRUNCATE sessions'), { code: '42501' });
      await t.rejects(ask('ALTER TABLE sessions DISABLE ROW LEVEL SECURITY'), { code: '42501' });
      await t.rejects(ask('DROP POLICY system_all ON sessions'), { code: '42501' });
    });
  }
  await asRole(database.appUrl, async (ask) => {
    await t.rejects(ask('SELECT hash FROM passwords'), { code: '42501' }, 'a hash cannot be selected');
    await t.rejects(ask('SELECT * FROM revocations'), { code: '42501' });
    await t.rejects(
      ask('SELECT hash FROM client_secrets'),
      { code: '42501' },
      'the hash of a secret cannot be selected',
    );
    await t.rejects(ask('SELECT 1 FROM client_assertions'), { code: '42501' });
    await t.rejects(ask('SELECT 1 FROM registrations'), { code: '42501' });
    await t.rejects(ask('SET ROLE tenantry_system'), { code: '42501' });
    await ask('SET row_security = off');
    await t.rejects(ask('SELECT id FROM sessions'), { code: '42501' }, 'the policies cannot be switched off');
  });
});

const VISIBLE = [
  'users',
  'organizations',
  'memberships',
  'roles',
  'role_assignments',
  'sessions',
  'subscriptions',
  'events',
  'invitations',
  'invitation_roles',
  'outbox',
  'clients',
  'client_secrets',
  'unfinished_role_changes',
];

async function countAll(ask: Ask): Promise<Record<string, unknown>> {
  const [row = {}] = await ask(
    `SELECT ${VISIBLE.map((name) => `(SELECT count(*)::int FROM ${name}) AS ${name}`).join(', ')}`,
  );
  return row;
}

function nothing(): Record<string, number> {
  return Object.fromEntries(VISIBLE.map((name) => [name, 0]));
}

t.test('a new or used connection without an organization and a user sees no row', async (t) => {
  const database = await createDatabase(t);
  const { organization, user } = await seedTenant(database);
  await asRole(database.appUrl, async (ask) => {
    t.same(await countAll(ask), nothing(), 'on a fresh connection');
    t.same(await ask('SELECT user_id FROM passwords'), []);
    const seen = await within(ask, { organization }, () => countAll(ask));
    t.match(seen, { organizations: 1, memberships: 1, sessions: 1, events: 1, users: 1 }, 'the rows exist');
    t.match(await within(ask, { user }, () => countAll(ask)), {
      organizations: 1,
      sessions: 1,
      users: 1,
      subscriptions: 0,
    });
    const [left] = await ask(`SELECT current_setting('app.current_org_id', true) AS setting`);
    t.same(left, { setting: '' }, 'a used connection has an empty setting, which differs from none');
    t.same(await countAll(ask), nothing(), 'no row is visible on a used connection');
    t.same(await within(ask, {}, () => countAll(ask)), nothing(), 'no row is visible in a transaction without a scope');
  });
});

t.test('an organization neither reads nor changes nor inserts a row of another', async (t) => {
  const database = await createDatabase(t);
  const [mine, theirs] = [await seedTenant(database), await seedTenant(database)];
  await asRole(database.appUrl, async (ask) => {
    const inMine = (text: string, values?: unknown[]) =>
      within(ask, { organization: mine.organization }, () => ask(text, values));
    const tables = VISIBLE.filter((table) => table !== 'users' && table !== 'organizations');
    for (const table of tables) {
      t.same(
        await inMine(`SELECT 1 FROM ${table} WHERE organization_id = $1`, [theirs.organization]),
        [],
        `${table}: unseen`,
      );
    }
    const changes = {
      memberships: "status = 'suspended'",
      sessions: "revoked_at = now(), revoked_reason = 'x'",
      role_assignments: "scope = '{}'",
      roles: 'level = 1',
      invitations: "status = 'revoked'",
      invitation_roles: "scope = '{}'",
      clients: "status = 'active'",
      client_secrets: 'expires_at = NULL',
    };
    for (const [table, change] of Object.entries(changes)) {
      const update = `UPDATE ${table} SET ${change} WHERE organization_id = $1 RETURNING 1`;
      t.same(await inMine(update, [theirs.organization]), [], `${table}: unchanged`);
      t.same(
        await inMine(`DELETE FROM ${table} WHERE organization_id = $1 RETURNING 1`, [theirs.organization]),
        [],
        `${table}: kept`,
      );
    }
    await t.rejects(
      inMine('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [theirs.organization, mine.user]),
      { code: '42501' },
      'a row for another organization is refused by WITH CHECK',
    );
    for (const table of [
      'memberships',
      'sessions',
      'subscriptions',
      'role_assignments',
      'roles',
      'invitations',
      'clients',
    ]) {
      await t.rejects(
        inMine(`UPDATE ${table} SET organization_id = $1`, [theirs.organization]),
        { code: '42501' },
        `${table}: an organization cannot move its own row to another organization`,
      );
    }
    await t.rejects(
      inMine('INSERT INTO memberships (organization_id, user_id) VALUES ($1, $2)', [mine.organization, theirs.user]),
      { code: '42501' },
      'only the user of the transaction can become a member',
    );
    await t.rejects(inMine(`UPDATE users SET name = 'x'`), { code: '42501' }, 'the member is not renamed');
    t.same(await inMine('UPDATE users SET epoch = epoch + 1 RETURNING id'), [{ id: mine.user }], 'an epoch is raised');
    await t.rejects(inMine('UPDATE users SET epoch = epoch - 1'), { code: '23514' }, 'and never lowered');
    await t.rejects(inMine("UPDATE organizations SET status = 'active'"), { code: '42501' }, 'the status is kept');
    await t.rejects(
      inMine(`INSERT INTO events (id, organization_id, type) VALUES (gen_random_uuid(), $1, 'x')`, [
        theirs.organization,
      ]),
      { code: '42501' },
    );
    await t.rejects(
      inMine(
        `INSERT INTO roles (id, owner_key, name, level, permissions) VALUES (gen_random_uuid(), '${SYSTEM_OWNER}', 'x', 1, '{}')`,
      ),
      { code: '42501' },
      'no organization creates a system role',
    );
    t.same(
      await inMine(`UPDATE roles SET permissions = '{*:*}' WHERE organization_id IS NULL RETURNING 1`),
      [],
      'or changes one',
    );
    const client = 'INSERT INTO clients (id, organization_id, owner_key, name, permissions, authentication) VALUES';
    await t.rejects(
      inMine(`${client} (gen_random_uuid(), NULL, '${SYSTEM_OWNER}', 'x', '{}', 'client_secret')`),
      { code: '42501' },
      'no organization creates a client of the installation',
    );
    await t.rejects(
      inMine(
        `INSERT INTO client_secrets (id, organization_id, owner_key, client_id, hash)
         SELECT gen_random_uuid(), $1, $1, $2, sha256('mine')`,
        [mine.organization, theirs.client],
      ),
      { code: /^2350[35]$/ },
      'or a secret of a foreign client',
    );
  });
});

t.test('a row cannot reference a parent row of another organization', async (t) => {
  const database = await createDatabase(t);
  const [mine, theirs] = [await seedTenant(database), await seedTenant(database)];
  const assign = `INSERT INTO role_assignments (id, organization_id, user_id, role_id, role_owner_key) VALUES (gen_random_uuid(), $1, $2, $3, $4)`;
  type Run = <T>(work: () => Promise<T>) => Promise<T>;
  const attempts = async (t: Test, ask: Ask, run: Run, keyOfSession: string) => {
    const refused = (values: unknown[], code: string, what: string) =>
      t.rejects(
        run(() => ask(assign, values)),
        { code },
        what,
      );
    await refused(
      [mine.organization, theirs.user, mine.role, mine.organization],
      '23503',
      'no role for a foreign member',
    );
    await refused(
      [mine.organization, mine.user, theirs.role, mine.organization],
      '23503',
      'no role of another organization under its own',
    );
    await refused(
      [mine.organization, mine.user, theirs.role, theirs.organization],
      '23514',
      'no foreign role under the other organization',
    );
    await refused(
      [mine.organization, mine.user, theirs.role, SYSTEM_OWNER],
      '23503',
      'no foreign role as a system role',
    );
    const session = `UPDATE sessions SET user_id = $2 WHERE organization_id = $1`;
    await t.rejects(
      run(() => ask(session, [mine.organization, theirs.user])),
      { code: keyOfSession },
      'no session of a foreign member',
    );
  };
  await t.test('the role of an organization, which cannot move a session to another organization', (t) =>
    asRole(database.appUrl, (ask) =>
      attempts(t, ask, (work) => within(ask, { organization: mine.organization }, work), '42501'),
    ),
  );
  await t.test('the role of the system, to which every policy gives access', (t) =>
    asRole(database.systemUrl, (ask) => attempts(t, ask, (work) => work(), '23503')),
  );
});
