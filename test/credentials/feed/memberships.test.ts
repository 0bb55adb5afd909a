// The change of a membership, and of a role that many members have, in the feed: in the form of this version, and in
// the form that the previous version reads.
import t, { type Test } from 'tap';
import { raiseRolesEpoch } from '../../../src/directory/users/epoch-store.ts';
import { principalOf } from '../../../src/protocol/caller.ts';
import type { AccessClaims } from '../../../src/protocol/claims.ts';
import { revocationOf } from '../../../src/protocol/revocation.ts';
import { createRevocationMap } from '../../../src/protocol/revocation-map.ts';
import { createFeedState } from '../../../src/verifier/feed/state.ts';
import { signInPerson } from '../../support/fixtures/people.ts';
import { partsOf } from '../../support/forge.ts';
import { type Consumer, consume, type Frame } from './consumer.ts';
import { openFormerVerifier } from './previous-version.ts';
import { openTwoOrganizations } from './two-organizations.ts';

async function open(t: Test) {
  const setup = await openTwoOrganizations(t);
  const { api, url, readers, both, pOwner, p, q } = setup;
  await setup.app.parts.revocations.synchronize();
  return {
    ...setup,
    changed: () => api.patch(`/users/${both.userId}`, { roles: [{ role: 'viewer' }] }, { token: pOwner.token }),
    claimsOf: async (place: { readonly slug: string }) =>
      partsOf((await signInPerson(api, both, place.slug)).accessToken).claims,
    follow: (reader: keyof typeof readers = 'all') => consume(t, url, readers[reader].token),
    expected: (epoch: number) => ({
      membership: { kind: 'membership', sub: both.userId, org: p.id, epoch },
      older: { kind: 'user', sub: both.userId, epoch, org: p.id },
    }),
    ...{ p, q },
  };
}

const about = (frames: readonly Frame[]) =>
  frames.filter(({ event }) => event === 'revocation' || event === 'extended');

async function untilHeartbeat(stream: Consumer): Promise<Frame[]> {
  return stream.until(({ event }) => event === 'heartbeat');
}

t.test('a stream sends the change under a name of its own, and then in the form of the previous version', async (t) => {
  const { changed, follow, expected, database, both } = await open(t);
  const stream = await follow();
  await untilHeartbeat(stream);
  t.equal((await changed()).status, 200);
  const [{ epoch } = { epoch: 0 }] = await database.query<{ epoch: number }>('SELECT epoch FROM users WHERE id = $1', [
    both.userId,
  ]);
  const { membership, older } = expected(epoch);
  const frames = about(await stream.until(({ event }) => event === 'revocation'));
  t.same(
    frames.map(({ event, data }) => ({ event, data })),
    [
      { event: 'extended', data: membership },
      { event: 'revocation', data: older },
    ],
  );
  const [snapshot] = await (await follow()).until(({ event }) => event === 'snapshot');
  t.same([snapshot?.data.events, snapshot?.data.extended], [[older], [membership]]);
});

t.test('the document has both forms, and a client of another organization gets neither', async (t) => {
  const { api, changed, readers, expected, database, both } = await open(t);
  const { cursor } = (await api.get('/revocations', { token: readers.p.token })).body.data;
  await changed();
  const [{ epoch } = { epoch: 0 }] = await database.query<{ epoch: number }>('SELECT epoch FROM users WHERE id = $1', [
    both.userId,
  ]);
  const { membership, older } = expected(epoch);
  for (const reader of ['p', 'all'] as const) {
    const { events } = (await api.get('/revocations', { token: readers[reader].token })).body.data;
    t.same(events, [older, membership], reader);
  }
  const since = await api.get(`/revocations?after=${cursor}`, { token: readers.p.token });
  t.same(since.body.data.events, [older, membership], 'after a cursor');
  t.same((await api.get('/revocations', { token: readers.q.token })).body.data.events, [], 'the other organization');
});

t.test(
  'a verifier of the previous version stays up to date, and refuses the tokens from before the change',
  async (t) => {
    const { changed, follow, claimsOf, p, q } = await open(t);
    const former = openFormerVerifier();
    const stream = await follow();
    for (const frame of await untilHeartbeat(stream)) former.take(frame);
    const before = await claimsOf(p);
    t.equal(former.judge(before), null, 'tokens of this version are accepted');
    await changed();
    for (const frame of await stream.until(({ event }) => event === 'revocation')) former.take(frame);
    t.ok(former.isComplete(), 'it has met no event that it does not know');
    t.equal(former.judge(before), 'token_stale');
    t.equal(former.judge(await claimsOf(p)), null, 'the next token is accepted');
    t.equal(former.judge(await claimsOf(q)), null);
    const late = openFormerVerifier();
    for (const frame of await untilHeartbeat(await follow())) late.take(frame);
    t.ok(late.isComplete(), 'after a snapshot too');
    t.equal(late.judge(before), 'token_stale');
  },
);

t.test('a verifier of this version refuses only the tokens of the organization', async (t) => {
  const { changed, follow, claimsOf, p, q } = await open(t);
  const map = createRevocationMap(() => 0, 960);
  const timing = { now: () => Date.now(), elapsed: () => 0, after: () => () => undefined };
  const listener = {
    add: (event: never) => void map.add(event),
    complete: () => undefined,
    paused: () => undefined,
    trouble: t.fail,
  };
  const state = createFeedState(timing, listener);
  const take = (frames: readonly Frame[]) => {
    for (const { event, id, data } of frames) state.take({ event, id: id ?? '', data: JSON.stringify(data) });
  };
  const judge = (claims: object) => map.judge(principalOf(claims as AccessClaims));
  const [here, there] = [await claimsOf(p), await claimsOf(q)];
  const stream = await follow();
  take(await untilHeartbeat(stream));
  await changed();
  take(await stream.until(({ event }) => event === 'revocation'));
  t.ok(Number.isFinite(state.staleSeconds()), 'it has met no event that it does not know');
  const older = ({ mep: _, ...claims }: Record<string, unknown>) => claims;
  t.same([judge(here), judge(older(here))], ['token_stale', 'token_stale']);
  t.same([judge(there), judge(older(there))], [null, null], 'the form of the previous version has the same effect');
  t.equal(judge(await claimsOf(p)), null);
});

t.test('a snapshot in parts has both forms in each part', async (t) => {
  const { app, follow, p } = await open(t);
  const events = Array.from({ length: 2_500 }, (_, epoch) => {
    const sub = `0193c5a0-7a2b-4c3d-8e4f-${String(epoch).padStart(12, '0')}`;
    return { kind: 'membership', sub, org: p.id, epoch } as const;
  });
  await app.parts.publish(events);
  const frames = await untilHeartbeat(await follow());
  const parts = frames.filter(({ event }) => event === 'snapshot').map(({ data }) => data);
  t.ok(parts.length >= 3);
  for (const { events: older = [], extended = [] } of parts) {
    t.same(older.map(revocationOf), extended, 'the same events');
  }
  t.equal(
    new Set(parts.flatMap(({ extended }) => extended?.map((event) => JSON.stringify(event)))).size,
    events.length,
  );
});

t.test('the change of a role has one form, and does not reach the clients of other organizations', async (t) => {
  const { app, api, follow, readers, p } = await open(t);
  const { db, publish } = app.parts;
  const former = openFormerVerifier();
  const stream = await follow();
  for (const frame of await untilHeartbeat(stream)) former.take(frame);
  const role = { kind: 'role', org: p.id, role: 'agent', epoch: 1 };
  await publish(await db.organization({ organizationId: p.id }, (tx) => raiseRolesEpoch(tx, p.id, 'agent')));
  const frames = await untilHeartbeat(stream);
  t.same(
    about(frames).map(({ event, data }) => ({ event, data })),
    [{ event: 'extended', data: role }],
  );
  for (const frame of frames) former.take(frame);
  t.ok(former.isComplete(), 'a verifier of the previous version does not see it');
  const [snapshot] = await (await follow()).until(({ event }) => event === 'snapshot');
  t.same([snapshot?.data.events, snapshot?.data.extended], [[], [role]]);
  for (const [reader, events] of [
    ['p', [role]],
    ['all', [role]],
    ['q', []],
  ] as const) {
    t.same((await api.get('/revocations', { token: readers[reader].token })).body.data.events, events, reader);
  }
});
