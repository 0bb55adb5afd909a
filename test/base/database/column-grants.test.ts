// The restricted role may write only those columns of its organization's rows that the service changes. Tested with
// plain SQL.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { raiseAnyClientEpoch, raiseClientEpoch } from '../../../src/access/clients/epoch-store.ts';
import { openDatabase, statement } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { raiseEpochs, raiseMembershipEpochs, raiseRolesEpoch } from '../../../src/directory/users/epoch-store.ts';
import { createDatabase } from '../../support/database.ts';
import { UNREAD_INVITATION } from '../../support/personal.ts';
import { seedTenants, type Tenant } from './tenants.ts';

const database = await createDatabase(t);
const tenants = await seedTenants(database, 2);
const [own] = tenants as [Tenant];
const db = openDatabase({ ...database, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
t.teardown(() => db.close());
const reader = db.organizationReader({ organizationId: own.organizationId, userId: own.userId });
const ask = (text: string, values: unknown[] = []) => reader.rows<Record<string, unknown>>(statement(text), values);
const REFUSED = { code: '42501' };

t.test('an epoch increases only by one, and only together with a revocation that names the new epoch', async (t) => {
  for (const epoch of ['2147483647', 'epoch + 2', 'epoch - 1']) {
    await t.rejects(ask(`UPDATE users SET epoch = ${epoch}`), { code: '23514' }, epoch);
  }
  t.same(await db.organization(own, (tx) => raiseEpochs(tx, [own.userId])), [
    { kind: 'user', sub: own.userId, epoch: 1 },
  ]);
  const rows = await database.query('SELECT epoch FROM revocations ORDER BY epoch');
  t.same(rows, [{ epoch: 1 }]);
});

t.test('the epoch of a membership begins at that of its user, only increases, and never exceeds it', async (t) => {
  const { organizationId, userId } = own;
  const epochs = () =>
    database.query(
      `SELECT u.epoch, m.epoch AS mep FROM users u JOIN memberships m ON m.user_id = u.id
       WHERE m.organization_id = $1 AND m.user_id = $2`,
      [organizationId, userId],
    );
  const [{ epoch } = { epoch: 0 }] = (await epochs()) as { epoch: number }[];
  for (const wrong of ['2147483647', String(epoch + 1), '-1']) {
    await t.rejects(ask(`UPDATE memberships SET epoch = ${wrong}`), { code: '23514' }, wrong);
  }
  const raised = await db.organization(own, (tx) => raiseMembershipEpochs(tx, [{ organizationId, userId }]));
  t.same(raised, [{ kind: 'membership', sub: userId, org: organizationId, epoch: epoch + 1 }]);
  t.same(await epochs(), [{ epoch: epoch + 1, mep: epoch + 1 }]);
  await t.rejects(ask('UPDATE memberships SET epoch = epoch - 1'), { code: '23514' }, 'down');
  const told = `SELECT kind, epoch, caused_in, membership_organization_id AS of FROM revocations WHERE epoch = $1`;
  t.same(await database.query(told, [epoch + 1]), [
    { kind: 'user', epoch: epoch + 1, caused_in: organizationId, of: organizationId },
  ]);
  const [, foreign] = tenants;
  const pair = { organizationId: foreign?.organizationId ?? '', userId };
  t.same(await db.organization(own, (tx) => raiseMembershipEpochs(tx, [pair])), [], 'no foreign membership');
  await ask('DELETE FROM memberships WHERE user_id = $1::uuid', [userId]);
  for (const given of ['DEFAULT', '0', '2147483647']) {
    await ask(`INSERT INTO memberships (organization_id, user_id, epoch) VALUES ($1::uuid, $2::uuid, ${given})`, [
      organizationId,
      userId,
    ]);
    const [now] = (await epochs()) as { epoch: number; mep: number }[];
    t.equal(now?.mep, now?.epoch, `inserted with ${given}`);
    await ask('DELETE FROM memberships WHERE user_id = $1::uuid', [userId]);
  }
  await ask(`INSERT INTO memberships (organization_id, user_id) VALUES ($1::uuid, $2::uuid)`, [organizationId, userId]);
});

t.test('the epoch of the roles of an organization only increases, by one', async (t) => {
  const { organizationId } = own;
  for (const wrong of ['roles_epoch + 2', 'roles_epoch - 1', '2147483647']) {
    await t.rejects(ask(`UPDATE organizations SET roles_epoch = ${wrong}`), { code: '23514' }, wrong);
  }
  const raise = () => db.organization(own, (tx) => raiseRolesEpoch(tx, organizationId, 'sales'));
  t.same(await raise(), [{ kind: 'role', org: organizationId, role: 'sales', epoch: 1 }]);
  t.same(await raise(), [{ kind: 'role', org: organizationId, role: 'sales', epoch: 2 }]);
  const [, foreign] = tenants;
  const strange = await db.organization(own, (tx) => raiseRolesEpoch(tx, foreign?.organizationId ?? '', 'sales'));
  t.same(strange, [], 'another organization');
});

t.test('an organization can neither read nor choose the token of an invitation', async (t) => {
  const id = randomUUID();
  const columns = `id, organization_id, ${UNREAD_INVITATION.columns}, expires_at`;
  const values = [id, own.organizationId];
  const inserted = `$1, $2, ${UNREAD_INVITATION.values("'ada'")}, now() + interval '1 day'`;
  await t.rejects(
    ask(`INSERT INTO invitations (${columns}, token_hash) VALUES (${inserted}, sha256('mine'))`, values),
    REFUSED,
  );
  await ask(`INSERT INTO invitations (${columns}) VALUES (${inserted})`, values);
  await t.rejects(ask(`UPDATE invitations SET token_hash = sha256('mine')`), REFUSED);
  await t.rejects(ask('SELECT token_hash FROM invitations'), REFUSED);
  await t.rejects(ask(`UPDATE invitations SET status = 'accepted', accepted_by = id`), REFUSED);
  await t.rejects(ask(`UPDATE invitations SET email_key = 'other'`), REFUSED);
  await t.rejects(ask(`UPDATE invitations SET email_lookup = sha256('other')`), REFUSED);
});

t.test('every change of an invitation, by the organization or by the system, deletes its token', async (t) => {
  const changes = {
    'by the organization': () => ask(`UPDATE invitations SET expires_at = expires_at + interval '1 day' RETURNING id`),
    'by the system': () => database.query(`UPDATE invitations SET email_sealed = 'x' RETURNING id`),
  };
  for (const [who, change] of Object.entries(changes)) {
    await database.query(`UPDATE invitations SET token_hash = sha256($1)`, [Buffer.from(who)]);
    t.same(await database.query('SELECT count(token_hash)::int AS tokens FROM invitations'), [{ tokens: 1 }], 'made');
    t.equal((await change()).length, 1);
    t.same(await database.query('SELECT count(token_hash)::int AS tokens FROM invitations'), [{ tokens: 0 }], who);
  }
});

t.test('an organization can set neither the time of the request for a mail nor the result of the mail', async (t) => {
  const columns = 'id, organization_id, kind, subject_id, recipient_lookup';
  const values = [randomUUID(), own.organizationId];
  for (const [column, value] of [
    ['created_at', `'2999-01-01'`],
    ['due_at', 'now()'],
    ['attempts', '0'],
    ['done_at', 'now()'],
    ['failure', `'x'`],
    ['tried_at', 'now()'],
    ['outcome', `'sent'`],
  ] as const) {
    await t.rejects(
      ask(
        `INSERT INTO outbox (${columns}, ${column}) VALUES ($1::uuid, $2, 'invitation', $1::uuid, 'x', ${value})`,
        values,
      ),
      REFUSED,
      column,
    );
  }
  await t.rejects(ask(`UPDATE outbox SET due_at = NULL`), REFUSED);
  await ask(`INSERT INTO outbox (${columns}) VALUES ($1::uuid, $2, 'invitation', $1::uuid, 'x')`, values);
  await t.rejects(
    ask(`INSERT INTO outbox (id, kind, subject_id) VALUES (gen_random_uuid(), 'invitation', $1::uuid)`, [values[0]]),
    { ...REFUSED, message: /row-level security/ },
    'only the system requests a mail of no organization',
  );
  await t.rejects(ask(`UPDATE outbox SET outcome = 'sent'`), REFUSED);
  await t.rejects(ask('DELETE FROM outbox'), REFUSED);
});

t.test('a role may have no permission, and each element must be exactly one permission', async (t) => {
  const make = (permissions: (string | null)[]) =>
    ask(
      `INSERT INTO roles (id, organization_id, owner_key, name, level, permissions) VALUES ($1::uuid, $2, $2, $1::text, 1, $3)`,
      [randomUUID(), own.organizationId, permissions],
    );
  const bad = [['a:b c:d'], ['a:b', 'c:d e:f'], ['a:b '], [' a:b'], [''], ['a'], ['A:b'], ['a:b', null], ['a:b', '']];
  const shape = /roles_permissions_shape/;
  for (const permissions of bad)
    await t.rejects(make(permissions), { code: '23514', message: shape }, `${permissions}`);
  for (const permissions of [[], ['a:b'], ['a:*', '*:b', '*:*']]) await t.resolves(make(permissions), `${permissions}`);
});

t.test('an organization changes only the allowed columns of a client, and raises its epoch only by one', async (t) => {
  const id = randomUUID();
  const columns = 'id, organization_id, owner_key, name, permissions, authentication';
  const make = (more: string, value: string) =>
    ask(`INSERT INTO clients (${columns}${more}) VALUES ($1::uuid, $2, $2, 'x', '{}', 'client_secret'${value})`, [
      id,
      own.organizationId,
    ]);
  await t.rejects(make(', epoch', ', 7'), REFUSED);
  await t.rejects(make(', status', ", 'active'"), REFUSED);
  await t.rejects(make(', created_at', ', now()'), REFUSED);
  await make('', '');
  for (const change of [`authentication = 'private_key_jwt'`, 'id = gen_random_uuid()', 'created_by = id']) {
    await t.rejects(ask(`UPDATE clients SET ${change}`), REFUSED, change);
  }
  for (const epoch of ['2147483647', 'epoch + 2', 'epoch - 1']) {
    await t.rejects(ask(`UPDATE clients SET epoch = ${epoch}`), { code: '23514' }, epoch);
  }
  const raised = await db.organization(own, (tx) => raiseClientEpoch(tx, own.organizationId, id));
  t.same(raised, [{ kind: 'client', client_id: id, epoch: 1 }]);
  t.same(await database.query('SELECT epoch, caused_in FROM revocations WHERE subject = $1', [id]), [
    { epoch: 1, caused_in: own.organizationId },
  ]);
  const asSystem = await db.system((tx) => raiseAnyClientEpoch(tx, own.organizationId, id));
  t.same(asSystem, [{ kind: 'client', client_id: id, epoch: 2 }]);
  const told = 'SELECT epoch, caused_in FROM revocations WHERE subject = $1 AND epoch = 2';
  t.same(
    await database.query(told, [id]),
    [{ epoch: 2, caused_in: own.organizationId }],
    'a change by an operator is included',
  );
});

t.test('an organization can neither read nor change the hash of a secret, nor set its creation time', async (t) => {
  const [client] = await ask('SELECT id::text FROM clients');
  const make = (more = '', value = '') =>
    ask(
      `INSERT INTO client_secrets (id, organization_id, owner_key, client_id, hash${more})
       VALUES (gen_random_uuid(), $1, $1, $2::uuid, sha256('x')${value})`,
      [own.organizationId, client?.id],
    );
  await t.rejects(make(', expires_at', ', now()'), REFUSED);
  await t.rejects(make(', created_at', ', now()'), REFUSED);
  await make();
  await t.rejects(make(), { code: '23505' }, 'two without an end');
  await t.rejects(ask('SELECT hash FROM client_secrets'), REFUSED);
  await t.rejects(ask(`UPDATE client_secrets SET hash = sha256('mine')`), REFUSED);
  await t.rejects(ask(`SELECT 1 FROM client_secrets WHERE hash = sha256('x')`), REFUSED, 'a hash cannot be guessed');
  await t.rejects(ask('SELECT 1 FROM client_assertions'), REFUSED);
});

t.test('a client with malformed permissions, or with keys although it does not sign, is refused', async (t) => {
  const make = (permissions: (string | null)[], authentication = 'client_secret', jwks: string | null = null) =>
    ask(
      `INSERT INTO clients (id, organization_id, owner_key, name, permissions, authentication, jwks)
       VALUES ($1::uuid, $2, $2, 'x', $3, $4, $5::text::jsonb)`,
      [randomUUID(), own.organizationId, permissions, authentication, jwks],
    );
  const shape = { code: '23514', message: /clients_permissions_shape/ };
  for (const permissions of [['a:b c:d'], ['a:b '], [''], ['a'], ['A:b'], ['a:b', null], ['a:b', '']])
    await t.rejects(make(permissions), shape, `${permissions}`);
  for (const permissions of [[], ['a:b'], ['a:*', '*:b', '*:*']]) await t.resolves(make(permissions), `${permissions}`);
  await t.rejects(make([], 'private_key_jwt'), { code: '23514', message: /clients_keys_where_asked/ });
  await t.rejects(make([], 'client_secret', '{"keys":[]}'), { code: '23514', message: /clients_keys_where_asked/ });
  const global = `INSERT INTO clients (id, owner_key, name, permissions, authentication)
    VALUES (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'x', $1, 'client_secret')`;
  const beyond = { code: '23514', message: /clients_installation_permissions/ };
  for (const permissions of [['*:*'], ['users:read'], ['revocations:*'], ['revocations:read', 'users:read']])
    await t.rejects(database.query(global, [permissions]), beyond, `${permissions}`);
  await t.resolves(database.query(global, [['revocations:read']]));
});
