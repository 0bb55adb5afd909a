// The revocations of a transaction are published only after the transaction is committed.
import t from 'tap';
import { publishing } from '../../../src/base/revoking/publish.ts';
import type { Revocation } from '../../../src/protocol/revocation.ts';

const ENDED: Revocation = { kind: 'session', sid: '0190c000-0000-7000-8000-000000000001' };

function collecting() {
  const told: string[] = [];
  const publish = async (revocations: readonly Revocation[]) => {
    await Promise.resolve();
    told.push(...revocations.map(({ kind }) => kind));
  };
  return { told, publish };
}

t.test('the answer waits for the commit, and then for the publishing', async (t) => {
  const deps = collecting();
  const { promise: commit, resolve } = Promise.withResolvers<{ revocations: Revocation[]; live: number }>();
  const done = publishing(deps, commit);
  await Promise.resolve();
  t.same(deps.told, [], 'nothing is published before the commit');
  resolve({ revocations: [ENDED], live: 1 });
  t.same(await done, { revocations: [ENDED], live: 1 });
  t.same(deps.told, ['session']);
});

t.test('a rolled back transaction publishes nothing, and its error is raised unchanged', async (t) => {
  const deps = collecting();
  const undone = new Error('undone');
  await t.rejects(publishing(deps, Promise.reject(undone)), undone);
  t.same(deps.told, []);
});
