// Accounts whose address has never been proven are removed when nobody uses them, and no other account is removed.
import t from 'tap';
import { removeUnproven } from '../../../src/admin/accounts/remove-unproven.ts';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { seedMembership, seedOrganizationOf, seedPerson } from '../../support/fixtures/people.ts';
import { openTransaction } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const { app } = await openService(t, database);
const deps = { ...app.parts, days: 30 };

/** Inserts an account that nobody has proven, created `days` days ago. Returns its id. */
async function unproven(days = 31): Promise<string> {
  const { userId } = await seedPerson(database);
  await database.query(
    `UPDATE users SET email_verified_at = NULL, created_at = now() - $2::int * interval '1 day' WHERE id = $1`,
    [userId, days],
  );
  return userId;
}

let organizations = 0;
async function owning(userId: string): Promise<string> {
  organizations += 1;
  return seedOrganizationOf(database, userId, { slug: `unproven-${organizations}`, role: 'owner' });
}

const statusOf = async (userId: string) => {
  const rows = await database.query<{ status: string }>('SELECT status FROM users WHERE id = $1', [userId]);
  return rows[0]?.status;
};

t.test('an old unproven account that nobody uses is removed with its organization of one member', async (t) => {
  const userId = await unproven();
  const organizationId = await owning(userId);
  t.equal(await removeUnproven(deps), 1);
  t.equal(await statusOf(userId), 'closed');
  t.same(
    await database.query('SELECT 1 FROM organizations WHERE id = $1 AND deleted_at IS NULL', [organizationId]),
    [],
  );
  t.match(await database.query('SELECT type, actor_id FROM events WHERE target_id = $1', [userId]), [
    { type: 'user.closed', actor_id: null },
  ]);
  t.same(await database.query('SELECT 1 FROM outbox WHERE subject_id = $1', [userId]), [], 'nobody gets a mail');
  t.equal(await removeUnproven(deps), 0);
});

t.test('an account is kept if it is young, proven, used, an administrator’s, or if others depend on it', async (t) => {
  const kept: Record<string, string> = { young: await unproven(29), proven: (await seedPerson(database)).userId };
  await database.query(`UPDATE users SET created_at = now() - interval '1 year' WHERE id = $1`, [kept.proven]);
  kept.disabled = await unproven();
  await database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [kept.disabled]);
  kept.administrator = await unproven();
  await database.query('INSERT INTO platform_administrators (user_id) VALUES ($1)', [kept.administrator]);
  kept.signedIn = await unproven();
  await database.query(
    `INSERT INTO sessions (id, user_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed, confirmed_at)
     SELECT gen_random_uuid(), $1, '{pwd}', now(), now(), now() + interval '1 day', now() + interval '1 day',
       gen_random_uuid(), now()`,
    [kept.signedIn],
  );
  kept.withMembers = await unproven();
  const crowded = await owning(kept.withMembers);
  await seedMembership(database, { organizationId: crowded, userId: (await seedPerson(database)).userId });
  kept.withClient = await unproven();
  await seedClient(database, { organizationId: await owning(kept.withClient), permissions: ['users:read'] });
  kept.suspended = await unproven();
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [await owning(kept.suspended)]);
  kept.paying = await unproven();
  const paying = await owning(kept.paying);
  await database.query(
    `INSERT INTO subscriptions (organization_id, plan, status, limits) VALUES ($1, 'gold', 'active', '{}')
     ON CONFLICT (organization_id) DO UPDATE SET status = 'active'`,
    [paying],
  );
  t.equal(await removeUnproven(deps), 0);
  for (const [why, userId] of Object.entries(kept)) {
    t.equal(await statusOf(userId), why === 'disabled' ? 'disabled' : 'active', why);
  }
});

t.test('one process removes at a time, and two of them remove each account once', async (t) => {
  const ids = [await unproven(), await unproven(), await unproven()];
  const held = await openTransaction(t, database);
  await held.query('SELECT pg_advisory_xact_lock(72707372)');
  t.equal(await removeUnproven(deps), 0, 'another process removes accounts now');
  await held.query('COMMIT');
  await atOnce(2, () => removeUnproven(deps));
  await removeUnproven(deps);
  for (const id of ids) {
    t.equal(await statusOf(id), 'closed');
    t.equal(
      (await database.query(`SELECT 1 FROM events WHERE target_id = $1 AND type = 'user.closed'`, [id])).length,
      1,
    );
  }
});
