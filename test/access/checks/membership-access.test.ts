// The service's memory of members: it reads a member once, never answers with a state from before a change, and has a
// size limit.
import t, { type Test } from 'tap';
import { createGrantsCache } from '../../../src/access/checks/grants-cache.ts';
import { openMembershipAccess, STALE_SECONDS_MAX } from '../../../src/access/checks/membership-access.ts';
import type { App } from '../../../src/app/app.ts';
import { type Database, openDatabase } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { openRevocations } from '../../../src/credentials/revocations/revocations.ts';
import { seedTenants, type Tenant } from '../../base/database/tenants.ts';
import { createDatabase } from '../../support/database.ts';
import { seedMember, seedMembership } from '../../support/fixtures/people.ts';
import { changeRights } from './rights.ts';

const SUSPEND = `UPDATE memberships SET status = 'suspended' WHERE organization_id = $1::uuid AND user_id = $2::uuid`;

/** Counts the reads of a database. After a read, `afterReading` may delay its result. */
class WatchedDatabase {
  readonly #db: Database;
  readings = 0;
  afterReading: () => Promise<void> = async () => undefined;

  constructor(db: Database) {
    this.#db = db;
  }

  organizationReader(...scope: Parameters<Database['organizationReader']>) {
    const reader = this.#db.organizationReader(...scope);
    return {
      personal: reader.personal,
      rows: async <Row>(...asked: Parameters<typeof reader.rows>) => {
        this.readings += 1;
        const rows = await reader.rows<Row>(...asked);
        await this.afterReading();
        return rows;
      },
    };
  }
}

async function watched(t: Test, limits?: Parameters<typeof openMembershipAccess>[1]) {
  const database = await createDatabase(t);
  const log = openLog({ level: 'silent', pretty: false });
  const db = openDatabase({ ...database, poolSize: 2, log });
  t.teardown(() => db.close());
  const revocations = openRevocations({ db, log });
  await revocations.synchronize();
  let blindFor = 0;
  const watch = new WatchedDatabase(db);
  const known = { ...revocations, readSecondsAgo: () => blindFor };
  const access = openMembershipAccess({ db: watch, revocations: known }, limits);
  const [own, other] = (await seedTenants(database, 3)) as [Tenant, Tenant, Tenant];
  const publish: App['parts']['publish'] = (changes) => revocations.publish(changes);
  const app = { parts: { db, publish } };
  /** Returns the number of reads that the question needed, and the rights that were found. */
  const ask = async (organizationId: string, userIds: readonly string[], fresh = false) => {
    const before = watch.readings;
    const found = await access.grants(organizationId, userIds, { fresh });
    return { readings: watch.readings - before, found, active: found.get(userIds[0] ?? '')?.memberActive };
  };
  const goBlind = (seconds: number) => {
    blindFor = seconds;
  };
  return { database, app, watch, revocations, access, own, other, ask, goBlind };
}

t.test('the rights of a member are read once, and again when their epoch increases', async (t) => {
  const { app, own, ask } = await watched(t);
  const { organizationId, userId } = own;
  t.match(await ask(organizationId, [userId]), { readings: 1, active: true });
  t.match(await ask(organizationId, [userId, userId]), { readings: 0, active: true });
  await changeRights(app, own, SUSPEND);
  t.match(await ask(organizationId, [userId]), { readings: 1, active: false });
  t.match(await ask(organizationId, [userId]), { readings: 0, active: false }, 'the new state is remembered');
  t.match(
    await ask(organizationId, [userId], true),
    { readings: 1 },
    'a request for a fresh read is not answered from memory',
  );
});

t.test('a change that was read from PostgreSQL has the same effect as a change of this process', async (t) => {
  const { app, revocations, own, ask } = await watched(t);
  await ask(own.organizationId, [own.userId]);
  const unpublished = { parts: { ...app.parts, publish: () => undefined } };
  await changeRights(unpublished, own, SUSPEND);
  t.match(await ask(own.organizationId, [own.userId]), { readings: 0, active: true }, 'the change is not known yet');
  await revocations.synchronize();
  t.match(await ask(own.organizationId, [own.userId]), { readings: 1, active: false });
  await revocations.synchronize();
  t.match(await ask(own.organizationId, [own.userId]), { readings: 0 }, 'the same event again changes nothing');
});

t.test('a result read before a change is neither returned nor remembered after it', async (t) => {
  const { app, watch, own, ask } = await watched(t);
  const { promise: changed, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: hasRead, resolve: read } = Promise.withResolvers<void>();
  watch.afterReading = () => {
    read();
    return changed;
  };
  const asked = ask(own.organizationId, [own.userId]);
  await hasRead;
  await changeRights(app, own, SUSPEND);
  goOn();
  t.match(await asked, { readings: 2, active: false });
  t.match(await ask(own.organizationId, [own.userId]), { readings: 0, active: false });
});

t.test('a slow read does not replace the result of a later read', async (t) => {
  const { app, watch, own, ask } = await watched(t);
  const unpublished = { parts: { ...app.parts, publish: () => undefined } };
  const { promise: overtaken, resolve: goOn } = Promise.withResolvers<void>();
  const { promise: hasRead, resolve: read } = Promise.withResolvers<void>();
  watch.afterReading = () => {
    read();
    return overtaken;
  };
  const first = ask(own.organizationId, [own.userId]);
  await hasRead;
  watch.afterReading = async () => undefined;
  await changeRights(unpublished, own, SUSPEND);
  t.match(await ask(own.organizationId, [own.userId]), { readings: 1, active: false });
  goOn();
  t.match(await first, { active: true }, 'this read began before the change');
  t.match(await ask(own.organizationId, [own.userId]), { readings: 0, active: false });
});

t.test('while changes never stop, a question is refused and never answered with an old state', async (t) => {
  const { app, watch, own, ask } = await watched(t);
  watch.afterReading = () => changeRights(app, own, SUSPEND);
  await t.rejects(ask(own.organizationId, [own.userId]), { code: 'service_busy' });
});

t.test('a user who is not a member is read each time, so that joining needs no event', async (t) => {
  const { database, own, other, ask } = await watched(t);
  const stranger = await seedMember(database, other.organizationId, 'owner');
  for (const round of [1, 2]) {
    const { readings, found } = await ask(own.organizationId, [stranger]);
    t.same([readings, found.size], [1, 0], `time ${round}`);
  }
  await seedMembership(database, { organizationId: own.organizationId, userId: stranger, role: 'viewer' });
  const { found } = await ask(own.organizationId, [stranger]);
  t.match(found.get(stranger)?.assignments, [{ role: { name: 'viewer' } }]);
});

t.test('the rights of one user in two organizations are kept apart', async (t) => {
  const { database, own, other, ask } = await watched(t);
  const userId = await seedMember(database, own.organizationId, 'owner');
  await seedMembership(database, { organizationId: other.organizationId, userId, role: 'viewer' });
  const rolesIn = async (organizationId: string) =>
    (await ask(organizationId, [userId])).found.get(userId)?.assignments.map(({ role }) => role.name);
  for (const round of ['read', 'remembered']) {
    t.same(await rolesIn(own.organizationId), ['owner'], round);
    t.same(await rolesIn(other.organizationId), ['viewer'], round);
  }
});

t.test('a batch of questions is answered from one read', async (t) => {
  const { database, own, ask } = await watched(t);
  const { organizationId } = own;
  const members = await Promise.all(
    ['owner', 'admin', 'viewer'].map((role) => seedMember(database, organizationId, role)),
  );
  const { readings, found } = await ask(organizationId, [...members, ...members, own.userId]);
  t.same([readings, found.size], [1, 4]);
  t.match(await ask(organizationId, members), { readings: 0 });
  const another = await seedMember(database, organizationId, 'agent');
  t.match(await ask(organizationId, [...members, another]), { readings: 1 });
});

t.test('memory is not used while changes may be unknown, or while the organization is suspended', async (t) => {
  const { revocations, own, ask, goBlind } = await watched(t);
  const { organizationId: org, userId } = own;
  await ask(org, [userId]);
  goBlind(STALE_SECONDS_MAX + 1);
  for (const _ of [1, 2]) t.match(await ask(org, [userId]), { readings: 1 });
  goBlind(0);
  t.match(await ask(org, [userId]), { readings: 0 });
  revocations.publish([{ kind: 'organization', org, state: 'suspended', at: 1 }]);
  for (const _ of [1, 2]) t.match(await ask(org, [userId]), { readings: 1 });
  revocations.publish([{ kind: 'organization', org, state: 'active', at: 2 }]);
  t.match(await ask(org, [userId]), { readings: 0 });
});

t.test('members of a suspended organization are not remembered', async (t) => {
  const { database, own, ask } = await watched(t);
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [own.organizationId]);
  for (const _ of [1, 2]) {
    const { readings, found } = await ask(own.organizationId, [own.userId]);
    t.same([readings, found.get(own.userId)?.organizationActive], [1, false]);
  }
  await database.query(`UPDATE organizations SET status = 'active' WHERE id = $1`, [own.organizationId]);
  t.equal((await ask(own.organizationId, [own.userId])).found.get(own.userId)?.organizationActive, true);
});

t.test('beyond the size limit the least recently used member is forgotten and read again', async (t) => {
  const { database, own, ask } = await watched(t, { membersMax: 2, permissionsMax: 1_000 });
  const { organizationId } = own;
  const [one, two, three] = (await Promise.all(
    [1, 2, 3].map(() => seedMember(database, organizationId, 'viewer')),
  )) as [string, string, string];
  const readingsFor = async (...users: string[]) => {
    const counts: number[] = [];
    for (const userId of users) counts.push((await ask(organizationId, [userId])).readings);
    return counts;
  };
  t.same(await readingsFor(one, two, one, three, one, two), [1, 1, 0, 1, 0, 1]);
});

t.test('a member with a large role counts as many members in the size limit', async (t) => {
  const cache = createGrantsCache({ membersMax: 1_000, permissionsMax: 100 });
  const remember = (userId: string, permissions: number) => {
    const role = {
      id: 'r',
      name: 'r',
      level: 1,
      permissions: new Set(Array.from({ length: permissions }, (_, at) => `a:b${at}`)),
    };
    const assignments = [{ id: 'a', role, scope: {} }];
    const active = { organizationActive: true, userActive: true, memberActive: true };
    cache.set({
      grants: { organizationId: 'o', userId, ...active, epoch: 0, rolesEpoch: 0, assignments },
      readAtMs: 0,
    });
  };
  for (let at = 0; at < 50; at += 1) remember(`small ${at}`, 10);
  t.equal(cache.size, 10);
  remember('large', 95);
  t.same([cache.size, cache.get('o', 'large')?.grants.userId], [1, 'large']);
  for (const _ of [1, 2, 3]) remember('large', 95);
  t.equal(cache.size, 1, 'an entry that replaces itself is counted once');
  remember('larger', 101);
  t.equal(cache.size, 0, 'an entry larger than the whole limit is not kept');
  remember('small', 100);
  t.equal(cache.size, 1, 'its size is no longer counted');
  cache.delete('o', 'small');
  remember('next', 100);
  t.equal(cache.size, 1);
});

t.test('a scope counts in the size limit', async (t) => {
  const cache = createGrantsCache({ membersMax: 1_000, permissionsMax: 1_000 });
  const role = { id: 'r', name: 'r', level: 1, permissions: new Set<string>() };
  const active = { organizationActive: true, userActive: true, memberActive: true };
  for (let at = 0; at < 500; at += 1) {
    const assignments = Array.from({ length: 20 }, (_, id) => ({
      id: `${id}`,
      role,
      scope: { key: 'x'.repeat(1_900) },
    }));
    cache.set({
      grants: { organizationId: 'o', userId: `${at}`, ...active, epoch: 0, rolesEpoch: 0, assignments },
      readAtMs: 0,
    });
  }
  t.equal(cache.size, 1, 'twenty scopes of 1,900 characters are as large as hundreds of permissions');
});
