// Requests with the same Idempotency-Key at the same moment: one effect, whichever process gets them.
import t from 'tap';
import { atOnce, type Reply } from '../../support/client.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { countOf, type Keyed, newKey, openKeyed, requestsOf, send } from './requests.ts';

const ROUNDS = rounds(10);

/** The first answer or its repeat, or the refusal of a request that still runs. */
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

/** Sends the request once, and holds it in its transaction until `work` has ended. */
async function whileRunning<T>(
  keyed: Keyed,
  key: string,
  lock: () => Promise<{ release(): Promise<unknown> }>,
  work: () => Promise<T>,
) {
  const { api, database, owner: token } = keyed;
  const held = await lock();
  const first = send(api, { path: '/roles', token, body: { name: 'held', level: 0, permissions: [] } }, key);
  await waiters(database, 1);
  const result = await work();
  await held.release();
  return { result, first: await first };
}

t.test('while a request runs, a repeat gets 409 at once, in the same process and in another one', async (t) => {
  const keyed = await openKeyed(t);
  const { database, organization, api, owner: token } = keyed;
  const { api: other } = await openService(t, database);
  const key = newKey();
  const request = { path: '/roles', token, body: { name: 'held', level: 0, permissions: [] } };
  const lock = async () => {
    const client = await openTransaction(t, database);
    await client.query('SELECT 1 FROM organizations WHERE id = $1 FOR UPDATE', [organization.id]);
    return { release: () => client.query('COMMIT') };
  };
  const { result, first } = await whileRunning(keyed, key, lock, async () => [
    await send(api, request, key),
    await send(other, request, key),
    await send(other, { ...request, body: { ...request.body, level: 1 } }, key),
  ]);
  for (const reply of result) {
    t.same([reply.status, reply.code, reply.headers.get('retry-after')], [409, 'idempotency_key_in_use', '1']);
  }
  t.equal(first.status, 201);
  for (const from of [api, other]) t.equal((await send(from, request, key)).text, first.text);
});
