// The revocations that a process has in memory. Each is kept while a token that it refuses could be valid. The order of
// their arrival makes no difference, and removing them never blocks the process for long.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { olderFormOf, type RevocableToken, type Revocation, revocationOf } from '../../src/protocol/revocation.ts';
import { createRevocationMap, type RevocationMap } from '../../src/protocol/revocation-map.ts';

const REMEMBERED = 960;

const sizeOf = ({ events }: RevocationMap) => [...events()].length;

function openMap() {
  const clock = { seconds: 1000.5 };
  return { clock, map: createRevocationMap(() => clock.seconds, REMEMBERED) };
}

const token = (over: Partial<RevocableToken> = {}): RevocableToken => ({
  id: randomUUID(),
  sessionId: randomUUID(),
  epoch: 0,
  organizationId: null,
  issuedAt: 1_800_000_000,
  ...over,
});

t.test('an event that revokes no key is stored for a fixed time after its arrival, and is then removed', async (t) => {
  const { clock, map } = openMap();
  const [sid, sub, client_id, org] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  const events: Revocation[] = [
    { kind: 'session', sid },
    { kind: 'user', sub, epoch: 3 },
    { kind: 'membership', sub: client_id, org: sub, epoch: 6 },
    { kind: 'client', client_id, epoch: 4 },
    { kind: 'organization', org, state: 'suspended', at: 5 },
  ];
  for (const event of events) t.ok(map.add(event), 'news');
  const verdicts = () => [
    map.judge(token({ sessionId: sid })),
    map.judge(token({ id: sub, epoch: 2 })),
    map.judge(token({ id: client_id, epoch: 4, organizationId: sub })),
    map.judge(token({ id: client_id, epoch: 3 })),
    map.judge(token({ organizationId: org })),
  ];
  const refused = ['session_revoked', 'token_stale', 'token_stale', 'token_stale', 'organization_suspended'];
  t.strictSame(verdicts(), refused);
  clock.seconds += REMEMBERED;
  for (const event of events) t.notOk(map.add(event), 'arrived before');
  t.equal(map.forgetOld(), false);
  t.strictSame(verdicts(), refused, 'until the last second');
  t.same(new Set(map.events()), new Set(events));
  clock.seconds += 2;
  t.equal(map.forgetOld(), false);
  t.strictSame(verdicts(), [null, null, null, null, null]);
  t.strictSame([[...map.events()], map.epochOf(sub), map.epochOf(client_id, sub)], [[], 0, 0]);
});

t.test('a revoked key is never forgotten, because anybody who has it can sign new tokens', async (t) => {
  const { clock, map } = openMap();
  const kid = 'k'.repeat(43);
  t.equal(map.add({ kind: 'key', kid }), true);
  t.equal(map.add({ kind: 'key', kid }), false);
  clock.seconds += 1_000_000;
  t.equal(map.forgetOld(), false);
  t.strictSame([map.judge(token({ keyId: kid })), map.isKeyRevoked(kid)], ['invalid_token', true]);
  t.strictSame([map.judge(token({ keyId: 'other' })), map.judge(token())], [null, null]);
  t.equal(map.isKeyRevoked('other'), false);
  t.same([...map.events()], [{ kind: 'key', kid }]);
  t.equal(olderFormOf({ kind: 'key', kid }), null, 'the previous version must not get it as an event');
  t.same(revocationOf({ kind: 'key', kid, more: 1 }), { kind: 'key', kid });
  for (const wrong of [undefined, null, '', 7, 'a b', 'ä', 'x'.repeat(129), [kid]]) {
    t.equal(revocationOf({ kind: 'key', kid: wrong }), null, String(wrong));
  }
});

t.test('an event that arrives again with more data is stored again', async (t) => {
  const { clock, map } = openMap();
  const [sub, org] = [randomUUID(), randomUUID()];
  map.add({ kind: 'user', sub, epoch: 1 });
  map.add({ kind: 'organization', org, state: 'suspended', at: 1 });
  clock.seconds += 900;
  t.ok(map.add({ kind: 'user', sub, epoch: 2 }));
  t.ok(map.add({ kind: 'organization', org, state: 'suspended', at: 2 }));
  clock.seconds += 900;
  map.forgetOld();
  t.equal(map.epochOf(sub), 2);
  t.ok(map.isSuspended(org));
});

t.test('the order of the events makes no difference', async (t) => {
  const { map } = openMap();
  const [sub, org] = [randomUUID(), randomUUID()];
  t.ok(map.add({ kind: 'user', sub, epoch: 9 }));
  t.notOk(map.add({ kind: 'user', sub, epoch: 8 }));
  t.equal(map.epochOf(sub), 9);
  t.ok(map.add({ kind: 'organization', org, state: 'active', at: 20 }));
  t.notOk(map.add({ kind: 'organization', org, state: 'suspended', at: 10 }));
  t.notOk(map.isSuspended(org));
  t.ok(map.add({ kind: 'organization', org, state: 'suspended', at: 30 }));
  t.ok(map.isSuspended(org));
  t.ok(map.add({ kind: 'everything', not_before: 100 }));
  t.notOk(map.add({ kind: 'everything', not_before: 99 }));
  t.equal(map.judge(token({ issuedAt: 99 })), 'session_revoked');
  t.equal(map.judge(token({ issuedAt: 100 })), null);
});

t.test(
  'a change of a membership ends the older tokens of this user for this organization, and no others',
  async (t) => {
    const { map } = openMap();
    const [sub, org, elsewhere] = [randomUUID(), randomUUID(), randomUUID()];
    t.ok(map.add({ kind: 'membership', sub, org, epoch: 7 }));
    t.notOk(map.add({ kind: 'membership', sub, org, epoch: 6 }), 'an older one says nothing new');
    const judge = (over: Partial<RevocableToken>) => map.judge(token({ id: sub, organizationId: org, ...over }));
    t.equal(judge({ epoch: 9, membershipEpoch: 6 }), 'token_stale', 'the epoch of the membership counts');
    t.equal(judge({ epoch: 7, membershipEpoch: 7 }), null);
    t.equal(judge({ epoch: 6, membershipEpoch: 0, organizationId: elsewhere }), null, 'for another organization');
    t.equal(judge({ epoch: 6, organizationId: null }), null, 'for no organization');
    t.equal(judge({ epoch: 0, membershipEpoch: 0, id: randomUUID() }), null, 'of another user');
    for (const membershipEpoch of [undefined, null]) {
      const older = (epoch: number) => judge({ epoch, ...(membershipEpoch === null ? { membershipEpoch } : {}) });
      t.equal(older(6), 'token_stale', 'a token of the previous version is judged by its epoch');
      t.equal(older(7), null);
    }
    t.equal(map.epochOf(sub), 0, 'the user has not changed');
    t.equal(map.epochOf(sub, org), 7);
    t.equal(map.epochOf(sub, elsewhere), 0);
    map.add({ kind: 'user', sub, epoch: 8 });
    t.equal(judge({ epoch: 7, membershipEpoch: 7 }), 'token_stale', 'a change of the user ends all older tokens');
    t.equal(judge({ epoch: 7, membershipEpoch: 7, organizationId: elsewhere }), 'token_stale');
    t.equal(judge({ epoch: 8, membershipEpoch: 7 }), null);
    t.equal(map.epochOf(sub, org), 8);
  },
);

t.test('a change of a role refuses the older tokens that name the role, and no others', async (t) => {
  const { map } = openMap();
  const [org, elsewhere] = [randomUUID(), randomUUID()];
  const change = (role: string, epoch: number) => map.add({ kind: 'role', org, role, epoch });
  t.ok(change('sales team', 7));
  t.notOk(change('sales team', 7), 'the same event says nothing new');
  t.ok(change('support', 6), 'an older event of another role does');
  const judge = (rolesEpoch: number | null | undefined, roles: string[], organizationId: string | null = org) =>
    map.judge(token({ organizationId, roles, ...(rolesEpoch === undefined ? {} : { rolesEpoch }) }));
  t.equal(judge(6, ['viewer', 'sales team']), 'token_stale');
  t.equal(judge(7, ['viewer', 'sales team']), null);
  t.equal(judge(6, ['support']), null);
  t.equal(judge(5, ['support']), 'token_stale');
  t.equal(judge(0, ['viewer']), null, 'another role');
  t.equal(judge(0, ['sales team'], elsewhere), null, 'a role of another organization');
  t.equal(judge(0, ['sales team'], null), null);
  for (const older of [null, undefined]) t.equal(judge(older, ['sales team']), null, 'a token of the previous version');
  t.equal(map.judge(token({ organizationId: org, rolesEpoch: 0 })), null, 'a token without roles');
  t.same([map.rolesEpochOf(org), map.rolesEpochOf(elsewhere)], [7, 0]);
  t.same(
    [...map.events()].sort((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b))),
    [
      { kind: 'role', org, role: 'sales team', epoch: 7 },
      { kind: 'role', org, role: 'support', epoch: 6 },
    ],
  );
});

t.test('a change of a role has no form for the previous version, and is read strictly', async (t) => {
  const changed: Revocation = { kind: 'role', org: randomUUID(), role: 'sales team', epoch: 3 };
  t.equal(olderFormOf(changed), null);
  t.same(revocationOf({ ...changed }), changed);
  for (const bad of [{ org: 'x' }, { role: 1 }, { role: 'x'.repeat(1_000) }, { epoch: -1 }, { epoch: undefined }]) {
    t.equal(revocationOf({ ...changed, ...bad }), null);
  }
});

t.test('a change of a membership has a form that the previous version takes as a change of the user', async (t) => {
  const [sub, org] = [randomUUID(), randomUUID()];
  const changed: Revocation = { kind: 'membership', sub, org, epoch: 3 };
  t.same(olderFormOf(changed), { kind: 'user', sub, epoch: 3, org });
  t.same(revocationOf(olderFormOf(changed)), changed, 'this version reads the change of the membership from it');
  t.same(revocationOf({ ...changed }), changed);
  t.same(revocationOf({ kind: 'user', sub, epoch: 3 }), { kind: 'user', sub, epoch: 3 });
  const bad = [
    { org: 'x' },
    { org: null },
    { org: undefined },
    { sub: 'x' },
    { epoch: -1 },
    { epoch: 1.5 },
    { epoch: '3' },
  ];
  for (const over of bad) t.equal(revocationOf({ ...changed, ...over }), null, JSON.stringify(over));
  t.equal(revocationOf({ kind: 'user', sub, epoch: 3, org: 'x' }), null, 'a value that is no organization is refused');
});

t.test('only expired events are removed, a few thousand at a time', async (t) => {
  const { clock, map } = openMap();
  const old = Array.from({ length: 40_000 }, () => randomUUID());
  for (const sid of old) map.add({ kind: 'session', sid });
  clock.seconds += 10;
  const young = Array.from({ length: 1_000 }, () => randomUUID());
  for (const sid of young) map.add({ kind: 'session', sid });
  clock.seconds += REMEMBERED - 5;
  let [rounds, most, left] = [0, 0, sizeOf(map)];
  for (let more = true; more; rounds += 1) {
    more = map.forgetOld();
    most = Math.max(most, left - sizeOf(map));
    left = sizeOf(map);
  }
  t.ok(rounds >= 8 && most <= 5_000, `${rounds} rounds removed up to ${most} entries each`);
  t.equal(left, young.length);
  t.ok(young.every((sid) => map.judge(token({ sessionId: sid })) === 'session_revoked'));
  t.ok(old.every((sid) => map.judge(token({ sessionId: sid })) === null));
});

t.test('an iteration during changes of the map visits every entry that stays', async (t) => {
  const { clock, map } = openMap();
  const staying = Array.from({ length: 3_000 }, () => randomUUID());
  for (const sid of staying) map.add({ kind: 'session', sid });
  const met = new Set<string>();
  for (const event of map.events()) {
    if (event.kind === 'session') met.add(event.sid);
    if (met.size % 100 === 0) map.add({ kind: 'session', sid: randomUUID() });
    clock.seconds += 0.001;
    map.forgetOld();
  }
  t.ok(staying.every((sid) => met.has(sid)));
});

t.test('ids of any form can be stored', async (t) => {
  const { map } = openMap();
  for (const sid of ['', 'x', '__proto__', 'constructor', 'ü', '\u{1f600}', 'a'.repeat(10_000)]) {
    t.equal(map.judge(token({ sessionId: sid })), null);
    t.ok(map.add({ kind: 'session', sid }));
    t.equal(map.judge(token({ sessionId: sid })), 'session_revoked');
  }
  t.equal([...map.events()].length, 7);
});
