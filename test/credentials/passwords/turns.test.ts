// A requester who sets many passwords at the same time keeps nobody else from setting one. A thread that the test
// controls takes the place of the estimator.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Requester } from '../../../src/base/platform/requester.ts';
import { workFor, workForService } from '../../../src/base/platform/requester.ts';
import { openPasswordPolicy } from '../../../src/credentials/passwords/policy.ts';
import { openStrength, StrengthUnknown } from '../../../src/credentials/passwords/strength.ts';
import { until } from '../../support/until.ts';

const STRONG = 20;
const PATIENT = { waitMsMax: 120_000, answerMsMax: 120_000, loadMsMax: 120_000 };
/** How many estimates of one requester may wait. */
const WAITING_PER_REQUESTER_MAX = 16;

/** Opens an estimator whose thread writes down what it is asked, and answers once the test allows it. */
async function opened(t: Test, options: Parameters<typeof openStrength>[0] = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'tenantry-turns-'));
  t.teardown(() => rm(directory, { recursive: true }));
  const [log, gate] = [join(directory, 'log'), join(directory, 'gate')];
  appendFileSync(log, '');
  const program = `
    import { appendFileSync, existsSync } from 'node:fs';
    import { parentPort } from 'node:worker_threads';
    parentPort.postMessage('loaded');
    parentPort.on('message', ({ password }) => {
      appendFileSync(${JSON.stringify(log)}, password + '\\n');
      const look = () => (existsSync(${JSON.stringify(gate)}) ? parentPort.postMessage(${STRONG}) : setTimeout(look, 5));
      look();
    });`;
  const script = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const strength = openStrength({ ...PATIENT, idleMs: 10, script, ...options });
  return {
    strength,
    /** Asks for the estimate of a password. Its first word is the requester. */
    ask(password: string, requester: Requester = requesterOf(password.split(' ')[0] ?? '')) {
      const asked = workFor(requester, () => strength.estimate({ password, words: [], enough: 8 }));
      asked.catch(() => undefined);
      return asked;
    },
    /** What the thread was asked, in order. */
    seen: () => readFileSync(log, 'utf8').split('\n').slice(0, -1),
    allow: () => (existsSync(gate) ? undefined : writeFile(gate, '')),
  };
}

function requesterOf(subject: string) {
  const listeners = new Set<() => void>();
  return {
    subject,
    isSent: false,
    onGone(listener: () => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    leave() {
      for (const listener of listeners) listener();
    },
    listeners,
  };
}

t.test('requesters are served in turn, so that one with many passwords does not hold up the others', async (t) => {
  const { ask, seen, allow } = await opened(t);
  const names = ['A 1', 'A 2', 'A 3', 'A 4', 'B 1', 'B 2', 'C 1'];
  const asked = names.map((name) => ask(name));
  await allow();
  t.same(new Set(await Promise.all(asked)), new Set([STRONG]));
  t.same(seen(), ['A 1', 'A 2', 'B 1', 'C 1', 'A 3', 'B 2', 'A 4']);
});

t.test('only a few estimates of one requester wait, and those of others are still taken', async (t) => {
  const { strength, ask, seen, allow } = await opened(t);
  const many = Array.from({ length: 40 }, (_, at) => ask(`A ${at}`));
  const other = ask('B 1');
  const policy = openPasswordPolicy({ minLength: 1, words: [], strength });
  await workFor(requesterOf('A'), () =>
    t.rejects(policy.judge('purple bicycle marmalade', {}), { code: 'service_busy' }, 'it is not accepted unjudged'),
  );
  await allow();
  t.equal(await other, STRONG);
  const settled = await Promise.allSettled(many);
  const refused = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
  t.equal(refused.length, 40 - 1 - WAITING_PER_REQUESTER_MAX);
  t.ok(refused.every((reason) => reason instanceof StrengthUnknown));
  t.equal(seen().length, 1 + WAITING_PER_REQUESTER_MAX + 1);
});

t.test('the estimates that wait for all requesters together are limited', async (t) => {
  const { ask, allow } = await opened(t, { waitingMax: 3 });
  const asked = ['A', 'B', 'C', 'D'].map((name) => ask(name));
  await t.rejects(ask('E'), { name: 'StrengthUnknown' });
  await allow();
  await Promise.all(asked);
  t.equal(await ask('F'), STRONG);
});

t.test('an estimate whose requester has gone is not made', async (t) => {
  const { ask, seen, allow } = await opened(t);
  const gone = requesterOf('B');
  const first = ask('A 1');
  const dropped = ask('B 1', gone);
  const last = ask('C 1');
  gone.leave();
  await t.rejects(dropped, { name: 'StrengthUnknown' });
  await allow();
  await Promise.all([first, last]);
  t.same(seen(), ['A 1', 'C 1']);
  t.equal(gone.listeners.size, 0);
});

t.test('an estimate that has waited for too long is not made', async (t) => {
  const { ask, seen, allow } = await opened(t, { waitMsMax: 30 });
  const first = ask('A 1');
  await t.rejects(ask('A 2'), { name: 'StrengthUnknown' });
  await t.rejects(first, { name: 'StrengthUnknown' });
  await allow();
  await until(() =>
    ask('A 3').then(
      () => true,
      () => false,
    ),
  );
  t.notOk(seen().includes('A 2'));
  t.equal(seen().at(-1), 'A 3');
});

t.test('a thread that fails at one password still answers the next', async (t) => {
  const program = `
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ password }) => {
      if (password === 'bad') throw new Error('the estimator fails');
      parentPort.postMessage(${STRONG});
    });`;
  const script = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const strength = openStrength({ ...PATIENT, idleMs: 10, script });
  const estimate = (password: string) => workForService(() => strength.estimate({ password, words: [], enough: 8 }));
  const [bad, good] = await Promise.allSettled([estimate('bad'), estimate('good')]);
  t.match(bad, { status: 'rejected', reason: { name: 'StrengthUnknown' } });
  t.match(good, { status: 'fulfilled', value: STRONG });
});
