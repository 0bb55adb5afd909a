// Requests with the same Idempotency-Key at the same moment: one effect, whichever process gets them.
import t from 'tap';
import { atOnce, type Reply } from '../../support/client.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { countOf, newKey, openKeyed, requestsOf, send } from './requests.ts';

const ROUNDS = rounds(10);

/** Returns the distinct texts of the successful answers, and every reply that neither succeeded nor has to wait. */
function judge(replies: readonly Reply[]): { readonly good: Set<string>; readonly strange: string[] } {
  const isGood = ({ status }: Reply) => status === 200 || status === 201;
  const good = new Set(replies.filter(isGood).map(({ text }) => text));
  const isWaiting = ({ code, headers }: Reply) =>
    code === 'idempotency_key_in_use' && Number(headers.get('retry-after')) >= 1;
  return {
    good,
    strange: replies
      .filter((reply) => !isGood(reply) && !isWaiting(reply))
      .map(({ status, text }) => `${status} ${text}`),
  };
}

t.test('twenty equal requests with one key at the same moment have one effect and one answer', async (t) => {
  const keyed = await openKeyed(t);
  const { database, api, owner } = keyed;
  const { api: other } = await openService(t, database);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const request of await requestsOf({ api }, owner)) {
      const key = newKey();
      const before = await countOf(database, request);
      const replies = await atOnce(20, (index) => send(index % 2 ? api : other, request, key));
      const { good, strange } = judge(replies);
      t.same(strange, [], request.id);
      t.equal(good.size, 1, `${request.id}: one answer`);
      t.equal(await countOf(database, request), before + 1, `${request.id}: one effect`);
      const [text] = good;
      t.equal((await send(other, request, key)).text, text, `${request.id}: a later repeat`);
    }
  }
});

t.test('of different requests with one key at the same moment one is done', async (t) => {
  const { api, database, owner: token } = await openKeyed(t);
  const { api: other } = await openService(t, database);
  for (let round = 0; round < ROUNDS * 2; round += 1) {
    const key = newKey();
    const replies = await atOnce(6, (index) =>
      send(
        index % 2 ? api : other,
        { path: '/clients', token, body: { name: `${round} ${index}`, permissions: [] } },
        key,
      ),
    );
    const made = replies.filter(({ status }) => status === 201);
    t.equal(made.length, 1, replies.map(({ status, code }) => `${status} ${code}`).join());
    const rest = replies.filter(({ status }) => status !== 201).map(({ code }) => code ?? '');
    t.same(
      rest.filter((code) => !['idempotency_key_reused', 'idempotency_key_in_use'].includes(code)),
      [],
    );
    const rows = await database.query('SELECT 1 FROM clients WHERE name LIKE $1', [`${round} %`]);
    t.equal(rows.length, 1);
    await database.query('DELETE FROM clients WHERE name LIKE $1', [`${round} %`]);
  }
});

t.test('while a request runs, a repeat gets 409 at once, in the same process and in another one', async (t) => {
  const { api, database, requests } = await openKeyed(t);
  const { api: other } = await openService(t, database);
  await database.query(`CREATE FUNCTION wait_at_commit() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$`);
  await database.query(`CREATE CONSTRAINT TRIGGER gate AFTER INSERT ON idempotency_keys
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_commit()`);
  for (const request of requests) {
    const gate = await openTransaction(t, database);
    await gate.query('SELECT pg_advisory_xact_lock(1)');
    const key = newKey();
    const running = send(api, request, key);
    await waiters(database, 1);
    const repeats = [await send(api, request, key), await send(other, request, key)];
    if (request.otherBody) repeats.push(await send(other, { ...request, body: request.otherBody }, key));
    for (const reply of repeats) {
      t.same([reply.status, reply.code], [409, 'idempotency_key_in_use'], `${request.id}: ${reply.text}`);
      t.equal(reply.headers.get('retry-after'), '1', request.id);
    }
    await gate.query('COMMIT');
    await gate.end();
    const first = await running;
    t.ok([200, 201].includes(first.status), first.text);
    for (const from of [api, other]) t.equal((await send(from, request, key)).text, first.text, request.id);
  }
});
