// The restricted role may insert revocations only for rows that its scope sees.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { openDatabase, statement } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { createDatabase } from '../../support/database.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { seedTenants, type Tenant } from './tenants.ts';

const RAISE = statement(
  'INSERT INTO revocations (id, kind, subject, epoch, state) VALUES ($1::uuid, $2, $3::uuid, $4::int, $5)',
);

t.test('a scope can revoke only its own organization, members, sessions and clients', async (t) => {
  const database = await createDatabase(t);
  const [own, , foreign] = (await seedTenants(database, 4)) as [Tenant, Tenant, Tenant];
  const db = openDatabase({ ...database, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  const session = async ({ organizationId, userId }: Tenant) => {
    const id = randomUUID();
    await database.query(
      `INSERT INTO sessions (id, user_id, organization_id, amr, created_at, last_seen_at, idle_expires_at, expires_at,
         confirmed, confirmed_at) VALUES ($1, $2, $3, '{pwd}', now(), now(), now(), now(), $1, now())`,
      [id, userId, organizationId],
    );
    return id;
  };
  const asOrganization = db.organizationReader({ organizationId: own.organizationId });
  const asUser = db.userReader(own.userId);
  const raise = (reader: typeof asOrganization | typeof asUser, ...values: unknown[]) =>
    reader.rows(RAISE, [randomUUID(), ...values]);
  const [mine, theirs] = [await session(own), await session(foreign)];

  await raise(asOrganization, 'organization', own.organizationId, null, 'suspended');
  await raise(asOrganization, 'user', own.userId, 0, null);
  await raise(asOrganization, 'session', mine, null, null);
  await raise(asUser, 'session', mine, null, null);
  const client = (organizationId: string) => seedClient(database, { organizationId });
  const [ours, strange] = [await client(own.organizationId), await client(foreign.organizationId)];
  await raise(asOrganization, 'client', ours.id, 0, null);
  t.equal((await database.query('SELECT 1 FROM revocations')).length, 5);

  const refused = { code: '42501' };
  await t.rejects(raise(asOrganization, 'organization', foreign.organizationId, null, 'suspended'), refused);
  await t.rejects(raise(asOrganization, 'user', foreign.userId, 0, null), refused);
  for (const epoch of [1, 2147483647, -1]) {
    await t.rejects(raise(asOrganization, 'user', own.userId, epoch, null), refused, 'an epoch that no user has');
  }
  await t.rejects(
    raise(asOrganization, 'organization', own.organizationId, null, 'active'),
    refused,
    'no organization ends the revocation of its own tokens',
  );
  for (const epoch of [1, 2147483647, -1]) {
    await t.rejects(raise(asOrganization, 'client', ours.id, epoch, null), refused, 'an epoch that no client has');
  }
  await t.rejects(raise(asOrganization, 'client', strange.id, 0, null), refused);
  await t.rejects(raise(asUser, 'client', ours.id, 0, null), refused);
  await t.rejects(raise(asOrganization, 'session', theirs, null, null), refused);
  await t.rejects(raise(asUser, 'session', theirs, null, null), refused);
  await t.rejects(raise(asUser, 'organization', own.organizationId, null, 'suspended'), refused);
  const dated = statement(`INSERT INTO revocations (id, kind, subject, at) VALUES ($1, 'session', $2, '2999-01-01')`);
  await t.rejects(asUser.rows(dated, [randomUUID(), mine]), refused, 'the database sets the instant');
  t.equal((await database.query('SELECT 1 FROM revocations')).length, 5, 'no refused row was written');
});

t.test('a scope can revoke only memberships of its own organization, with the epoch that they have', async (t) => {
  const database = await createDatabase(t);
  const [own, , foreign] = (await seedTenants(database, 4)) as [Tenant, Tenant, Tenant];
  const db = openDatabase({ ...database, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  const raise = (tenant: Tenant, values: { organization?: string; user?: string; epoch?: number; kind?: string }) =>
    db.organizationReader({ organizationId: tenant.organizationId }).rows(
      statement(`INSERT INTO revocations (id, kind, subject, epoch, membership_organization_id)
        VALUES ($1::uuid, $2, $3::uuid, $4::int, $5::uuid)`),
      [
        randomUUID(),
        values.kind ?? 'user',
        values.user ?? tenant.userId,
        values.epoch ?? 0,
        values.organization ?? tenant.organizationId,
      ],
    );
  await raise(own, {});
  const refused = { code: '42501' };
  await t.rejects(raise(own, { organization: foreign.organizationId }), refused, 'of another organization');
  await t.rejects(raise(own, { user: foreign.userId }), refused, 'of somebody who is not a member');
  for (const epoch of [1, 2147483647, -1]) await t.rejects(raise(own, { epoch }), refused, `the epoch ${epoch}`);
  await t.rejects(raise(own, { kind: 'client' }), { code: /^(42501|23514)$/ });
  await t.rejects(
    database.query(
      `INSERT INTO revocations (id, kind, subject, membership_organization_id) VALUES ($1, 'session', $1, $1)`,
      [randomUUID()],
    ),
    { code: '23514' },
    'only a user has memberships',
  );
  t.equal((await database.query('SELECT 1 FROM revocations')).length, 1);
});

t.test('a scope can revoke only roles of its own organization, with the epoch that they have', async (t) => {
  const database = await createDatabase(t);
  const [own, , foreign] = (await seedTenants(database, 4)) as [Tenant, Tenant, Tenant];
  const db = openDatabase({ ...database, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
  t.teardown(() => db.close());
  const raise = (subject: string | null, of: string | null, epoch = 0, kind = 'user') =>
    db.organizationReader({ organizationId: own.organizationId }).rows(
      statement(`INSERT INTO revocations (id, kind, subject, epoch, membership_organization_id, role_name)
        VALUES ($1::uuid, $2, $3::uuid, $4::int, $5::uuid, 'sales')`),
      [randomUUID(), kind, subject, epoch, of],
    );
  const { organizationId } = own;
  await raise(organizationId, organizationId);
  for (const epoch of [1, -1, 2147483647])
    await t.rejects(raise(organizationId, organizationId, epoch), { code: '42501' });
  await t.rejects(raise(foreign.organizationId, foreign.organizationId), { code: '42501' });
  for (const [subject, of] of [
    [own.userId, organizationId],
    [foreign.userId, organizationId],
    [organizationId, null],
  ] as const) {
    await t.rejects(raise(subject, of), { code: '23514' }, 'it names the organization and nobody else');
  }
  t.equal((await database.query('SELECT 1 FROM revocations')).length, 1);
});
