// What the restricted role may write of a row of its own organization, asked by plain SQL: only what the service changes.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { openDatabase, statement } from '../../src/platform/db.ts';
import { openLog } from '../../src/platform/log.ts';
import { raiseEpochs } from '../../src/users/epoch-store.ts';
import { createDatabase } from '../support/database.ts';
import { type Tenant, tenants } from '../support/tenants.ts';

const database = await createDatabase(t);
const [own] = (await tenants(database, 2)) as [Tenant];
const db = openDatabase({ ...database, poolSize: 2, log: openLog({ level: 'silent', pretty: false }) });
t.teardown(() => db.close());
const reader = db.organizationReader({ organizationId: own.organizationId, userId: own.userId });
const ask = (text: string, values: unknown[] = []) => reader.rows<Record<string, unknown>>(statement(text), values);
const REFUSED = { code: '42501' };

t.test('an epoch goes up by one, with a revocation that says the new one', async (t) => {
  for (const epoch of ['2147483647', 'epoch + 2', 'epoch - 1']) {
    await t.rejects(ask(`UPDATE users SET epoch = ${epoch}`), { code: '23514' }, epoch);
  }
  t.same(await db.organization(own, (tx) => raiseEpochs(tx, [own.userId])), [
    { kind: 'user', sub: own.userId, epoch: 1 },
  ]);
  const rows = await database.query('SELECT epoch FROM revocations ORDER BY epoch');
  t.same(rows, [{ epoch: 1 }]);
});

t.test('no organization sees or chooses the token of an invitation', async (t) => {
  const id = randomUUID();
  const columns = 'id, organization_id, email, email_key, expires_at';
  const values = [id, own.organizationId, 'ada@x.org'];
  const inserted = `$1, $2, $3, $3, now() + interval '1 day'`;
  await t.rejects(
    ask(`INSERT INTO invitations (${columns}, token_hash) VALUES (${inserted}, sha256('mine'))`, values),
    REFUSED,
  );
  await ask(`INSERT INTO invitations (${columns}) VALUES (${inserted})`, values);
  await t.rejects(ask(`UPDATE invitations SET token_hash = sha256('mine')`), REFUSED);
  await t.rejects(ask('SELECT token_hash FROM invitations'), REFUSED);
  await t.rejects(ask(`UPDATE invitations SET status = 'accepted', accepted_by = id`), REFUSED);
  await t.rejects(ask(`UPDATE invitations SET email_key = 'other'`), REFUSED);
});

t.test('a token ends with every change of its invitation, whoever makes it', async (t) => {
  const changes = {
    'by the organization': () => ask(`UPDATE invitations SET expires_at = expires_at + interval '1 day' RETURNING id`),
    'by the system': () => database.query(`UPDATE invitations SET email = 'x' RETURNING id`),
  };
  for (const [who, change] of Object.entries(changes)) {
    await database.query(`UPDATE invitations SET token_hash = sha256($1)`, [Buffer.from(who)]);
    t.same(await database.query('SELECT count(token_hash)::int AS tokens FROM invitations'), [{ tokens: 1 }], 'made');
    t.equal((await change()).length, 1);
    t.same(await database.query('SELECT count(token_hash)::int AS tokens FROM invitations'), [{ tokens: 0 }], who);
  }
});

t.test('no organization says when a mail was asked for, or what became of it', async (t) => {
  const columns = 'id, organization_id, kind, subject_id, recipient_key';
  const values = [randomUUID(), own.organizationId];
  for (const [column, value] of [
    ['created_at', `'2999-01-01'`],
    ['due_at', 'now()'],
    ['attempts', '0'],
    ['done_at', 'now()'],
    ['failure', `'x'`],
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
});

t.test('a role holds permissions, one in each element', async (t) => {
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
