// Every process reads all revocations of other processes from PostgreSQL, however long a transaction took and however
// many revocations it wrote.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { SystemReader } from '../../../src/base/database/db.ts';
import { listFeedPage } from '../../../src/credentials/feed/store.ts';
import { openRevocations, readRevocations } from '../../../src/credentials/revocations/revocations.ts';
import { NIL_ID } from '../../../src/protocol/id.ts';
import type { Revocation } from '../../../src/protocol/revocation.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openTransaction } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';

const REVOKE = "INSERT INTO revocations (id, kind, subject, epoch, at) VALUES (gen_random_uuid(), 'user', $1, 99, $2)";

t.test('a revocation that is committed long after its timestamp is seen at the next read', async (t) => {
  const database = await createDatabase(t);
  const { api, app } = await openService(t, database);
  const { accessToken, userId } = await newAccount(api);
  const { revocations } = app.parts;
  await revocations.synchronize();
  const slow = await openTransaction(t, database);
  await slow.query(REVOKE, [userId, new Date(Date.now() - 5 * 60_000)]);
  for (let round = 0; round < 3; round += 1) {
    await database.query(REVOKE, [randomUUID(), new Date()]);
    await revocations.synchronize();
    t.equal((await api.get('/me', { token: accessToken })).status, 200, 'the token works before the commit');
  }
  await slow.query('COMMIT');
  await revocations.synchronize();
  t.equal((await api.get('/me', { token: accessToken })).code, 'token_stale', 'the token is refused at the next read');
});

t.test('if the revocations do not fit on one page, each of them is read exactly once', async (t) => {
  const database = await createDatabase(t);
  const { app } = await openService(t, database);
  const { db, log } = app.parts;
  let read = 0;
  const reader = db.systemReader();
  const counting: SystemReader = {
    personal: reader.personal,
    rows: async <Row>(...asked: Parameters<SystemReader['rows']>) => {
      const rows = await reader.rows<Row>(...asked);
      if (/FROM revocations/.test(asked[0].text)) read += rows.length;
      return rows;
    },
  };
  const revocations = openRevocations({ db: { ...db, systemReader: () => counting }, log });
  const slow = await openTransaction(t, database); // like a backup: the transaction stays open during the test
  await slow.query('SELECT pg_current_xact_id()');
  const [last] = await database.query<{ subject: string }>(
    `WITH many AS (INSERT INTO revocations (id, kind, subject, epoch)
       SELECT gen_random_uuid(), 'user', gen_random_uuid(), 7 FROM generate_series(1, 45000) RETURNING id, subject)
     SELECT subject FROM many ORDER BY id DESC LIMIT 1`,
  );
  await revocations.synchronize();
  t.equal(read, 45_000, 'all revocations are read, page by page');
  t.equal(revocations.epochOf(last?.subject ?? ''), 7, 'the last revocation is known');
  await revocations.synchronize();
  t.ok(read - 45_000 <= 1, 'the next read continues after these revocations'); // one empty row has the position
  const during = randomUUID();
  await database.query(REVOKE, [during, new Date()]);
  for (let round = 0; round < 3; round += 1) await revocations.synchronize();
  t.equal(revocations.epochOf(during), 99);
  t.ok(read - 45_000 <= 5, 'newer revocations are read once, even while an older transaction is open');
});

t.test('no revocation is missed after a restored database uses transaction ids a second time', async (t) => {
  const database = await createDatabase(t);
  const { app } = await openService(t, database);
  const { db } = app.parts;
  const reading = await readRevocations(db, { tx: '0', at: 0, snapshot: null, newestTx: '0' }, () => {});
  // A long transaction was open, and the restored database does not contain the many transactions after it.
  const snapshot = `${reading.tx}:${BigInt(reading.tx) + 100_000n}:${reading.tx}`;
  await database.query('SELECT pg_current_xact_id()'); // the next transaction gets a lost id
  const organization = randomUUID();
  const subject = randomUUID();
  await database.query(
    `INSERT INTO revocations (id, kind, subject, epoch, caused_in) VALUES (gen_random_uuid(), 'user', $1, 99, $2)`,
    [subject, organization],
  );
  const read: Revocation[] = [];
  await readRevocations(db, { ...reading, snapshot }, (revocation) => read.push(revocation));
  t.match(read, [{ sub: subject }]);
  const asked = {
    after: { tx: reading.tx, id: NIL_ID },
    withinSeconds: 60,
    rows: 10,
    seen: { snapshot, now: reading.at },
  };
  const { events } = await listFeedPage(db.systemReader(), [organization], asked);
  t.match(events, [{ organization, revocation: { sub: subject } }]);
});
