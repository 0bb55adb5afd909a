// The lost epochs are raised to what a process remembers, at any time and by any number of processes, and never too
// far.
import t, { type Test } from 'tap';
import { acceptDatabase } from '../../../src/admin/restore/restore.ts';
import type { Database } from '../../../src/base/database/db.ts';
import { openLog } from '../../../src/base/platform/log.ts';
import { createLineageWatch } from '../../../src/credentials/revocations/lineage.ts';
import { readServer } from '../../../src/credentials/revocations/lineage-store.ts';
import { writeLostEpochs } from '../../../src/credentials/revocations/lost-store.ts';
import { openTeam } from '../../support/fixtures/team.ts';
import { lose, promote, rowOf } from './set-back.ts';

async function open(t: Test) {
  const team = await openTeam(t);
  const { database, organization, service } = team;
  const member = await team.join('viewer');
  await database.query('DELETE FROM revocations');
  const { db, revocations } = service.app.parts;
  const membership = (epoch: number) =>
    ({ kind: 'membership', sub: member.userId, org: organization.id, epoch }) as const;
  const state = async () => {
    const [epochs] = await database.query<{ person: number; membership: number }>(
      `SELECT u.epoch AS person, m.epoch AS membership FROM users u JOIN memberships m ON m.user_id = u.id
       WHERE u.id = $1`,
      [member.userId],
    );
    const rows = await database.query<{ epoch: number }>(
      'SELECT epoch FROM revocations WHERE subject = $1 ORDER BY epoch',
      [member.userId],
    );
    return { ...epochs, rows: rows.map(({ epoch }) => epoch) };
  };
  return { ...team, member, membership, state, db, revocations };
}

t.test('epochs only go up, and each event is written once', async (t) => {
  const { db, member, membership, state } = await open(t);
  const reader = db.systemReader();
  const user = (epoch: number) => ({ kind: 'user', sub: member.userId, epoch }) as const;
  await writeLostEpochs(reader, [user(3), membership(5)]);
  t.strictSame(await state(), { person: 5, membership: 5, rows: [3, 5] });
  await Promise.all([1, 2, 3].map(() => writeLostEpochs(reader, [membership(5), user(3)])));
  t.strictSame(await state(), { person: 5, membership: 5, rows: [3, 5] }, 'a repetition changes nothing');
  await writeLostEpochs(reader, [user(2), membership(4)]);
  t.strictSame(await state(), { person: 5, membership: 5, rows: [3, 5] }, 'an older event changes nothing');
});

t.test('an event that cannot be genuine is left out, and the others are written', async (t) => {
  const { db, member, membership, state } = await open(t);
  const forged = [2_147_483_647, 2 ** 40, 10_000_001].map((epoch) => membership(epoch));
  const unknown = { kind: 'client', client_id: member.userId, epoch: 1 } as const;
  for (const one of forged) await writeLostEpochs(db.systemReader(), [one, unknown]);
  t.strictSame(await state(), { person: 0, membership: 0, rows: [] });
  await writeLostEpochs(db.systemReader(), [...forged, membership(2)]);
  t.strictSame(await state(), { person: 2, membership: 2, rows: [2] });
});

t.test('an event that arrives after the verdict is written when an operator has decided', async (t) => {
  const { database, service, member, membership, state, revocations } = await open(t);
  await revocations.synchronize();
  await service.api.post('/auth/logout', { refreshToken: member.refreshToken });
  await lose(database, member);
  await promote(database);
  await revocations.synchronize();
  t.match(await rowOf(database), { reason: 'lost' });
  await revocations.publish([membership(4)]); // as if another process had sent it
  await revocations.synchronize();
  t.match(await state(), { person: 0, membership: 0 });
  await acceptDatabase(service.app.parts);
  await revocations.synchronize();
  t.match(await state(), { person: 4, membership: 4, rows: [4] });
});

t.test('while the database stores nothing, a process keeps the doubt, and raises the epochs later', async (t) => {
  const { database, membership, state, db } = await open(t);
  let isReadOnly = true;
  const real = db.systemReader();
  const rows: typeof real.rows = (query, values) => {
    if (isReadOnly && /UPDATE users/.test(query.text)) {
      return Promise.reject(Object.assign(new Error('read-only'), { code: '25006' }));
    }
    return real.rows(query, values);
  };
  const watch = createLineageWatch({
    db: { systemReader: () => ({ ...real, rows }) } as unknown as Database,
    log: openLog({ level: 'silent', pretty: false }),
    events: () => [membership(2)],
  });
  const server = await readServer(real);
  await watch.check({ ...server, lineage: '1/1', judged: '1/1' }); // the former primary
  await promote(database);
  await watch.check(await readServer(real));
  t.ok(watch.doubtedBefore() > 0);
  t.match(await state(), { person: 0, membership: 0 });
  isReadOnly = false;
  await watch.check(await readServer(real));
  t.match(await state(), { person: 2, membership: 2 });
  t.ok(watch.doubtedBefore() > 0);
});
