// The check of a recorded history must find every broken guarantee about revoked tokens, and must report nothing in a
// correct history.
import t from 'tap';
import {
  judgeHistory,
  latencies,
  type Observation,
  quantile,
  type TokenHistory,
} from '../../scripts/prove/revocation/history.ts';

const REVOKED: TokenHistory = {
  token: 1,
  revocation: { asked: 100, acknowledged: 110, boundMilliseconds: 50 },
};
const BYSTANDER: TokenHistory = { token: 2, revocation: null };
const OBSERVERS = ['a', 'b'];

const good = (observer: string): Observation[] => [
  { observer, token: 1, firstAccepted: 10, lastAccepted: 130, firstRefused: 135 },
  { observer, token: 2, firstAccepted: 10, lastAccepted: 900, firstRefused: null },
];
const history = [REVOKED, BYSTANDER];

/** Returns the observations of a valid history, with a change to what observer `a` saw of one token. */
function butFor(token: number, change: Partial<Observation>): Observation[] {
  const changed = good('a').map((each) => (each.token === token ? { ...each, ...change } : each));
  return [...changed, ...good('b')];
}

t.test('a history without a broken guarantee is accepted', async (t) => {
  t.same(judgeHistory(history, OBSERVERS, [...good('a'), ...good('b')]), []);
  t.same(
    judgeHistory(history, OBSERVERS, butFor(1, { lastAccepted: 160 - 1e-9, firstRefused: 161 })),
    [],
    'at the limit',
  );
  t.same(judgeHistory(history, OBSERVERS, butFor(1, { lastAccepted: 99, firstRefused: 105 })), [], 'before the answer');
});

t.test('every broken guarantee is found, and the report names the observer', async (t) => {
  const table: [string, Observation[], { kind: string; token: number; by?: number }][] = [
    [
      'accepted late',
      butFor(1, { lastAccepted: 161, firstRefused: 170 }),
      { kind: 'accepted too late', token: 1, by: 1 },
    ],
    ['still accepted', butFor(1, { firstRefused: null }), { kind: 'never refused', token: 1 }],
    [
      'refused early',
      butFor(1, { lastAccepted: 60, firstRefused: 70 }),
      { kind: 'refused without a revocation', token: 1 },
    ],
    ['a bystander refused', butFor(2, { firstRefused: 901 }), { kind: 'refused without a revocation', token: 2 }],
    [
      'accepted again',
      butFor(1, { lastAccepted: 140, firstRefused: 120 }),
      { kind: 'accepted after a refusal', token: 1, by: 20 },
    ],
    ['never accepted', butFor(2, { firstAccepted: null, lastAccepted: null }), { kind: 'never accepted', token: 2 }],
  ];
  for (const [name, observations, expected] of table) {
    const found = judgeHistory(history, OBSERVERS, observations);
    t.match(found, [{ ...expected, observer: 'a' }], name);
    t.equal(found.length, 1, `${name}, and nothing else`);
  }
  const unseen = judgeHistory(history, OBSERVERS, [...good('b'), ...good('a').slice(1)]);
  t.match(unseen, [{ kind: 'not observed', token: 1, observer: 'a' }], 'an observer that did not check');
});

t.test('every latency is reported, and is measured from the answer', async (t) => {
  const observations = [...good('a'), ...butFor(1, { lastAccepted: 99, firstRefused: 105 })];
  t.same(latencies(history, observations), [-5, 25, 25]);
  t.equal(quantile([1, 2, 3, 4], 0.5), 3);
  t.equal(quantile([1, 2, 3, 4], 1), 4);
  t.ok(Number.isNaN(quantile([], 0.5)));
});
