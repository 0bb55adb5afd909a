// A kept answer is sent only to a caller who could make the request now. In most of these tests, the process does not
// know yet what happened to the caller, as in the first second after a change at another replica. A repeat is refused
// as a first request is.
import t from 'tap';
import { describedEndpoints } from '../../../scripts/generate/endpoints.ts';
import type { ProblemCode } from '../../../src/base/errors/problem.ts';
import { endpoint, needs, open, platform, signedIn } from '../../../src/base/http/endpoint.ts';
import type { Reply } from '../../support/client.ts';
import type { TestDatabase } from '../../support/database.ts';
import { assignRole, seedRole } from '../../support/fixtures/roles.ts';
import { renewed } from '../../support/fixtures/team.ts';
import { refused } from '../../support/raw.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';
import { type Keyed, type KeyedRequest, newKey, openKeyed, requestsOf, send } from './requests.ts';

const REPLAYED = 'idempotency-replayed';
const END = "UPDATE sessions SET revoked_at = clock_timestamp(), revoked_reason = 'logout'";

interface Loss {
  readonly sql: string;
  /** What a route that needs a permission answers. */
  readonly member: ProblemCode;
  /** What a route for every signed-in user answers. Null if the answer is the same as for the first request. */
  readonly user: ProblemCode | null;
}

/** Each statement changes the rows of all callers. */
const LOSSES: Readonly<Record<string, Loss>> = {
  'whose session has ended': { sql: END, member: 'session_revoked', user: 'session_revoked' },
  'whose session has expired': {
    sql: 'UPDATE sessions SET idle_expires_at = clock_timestamp()',
    member: 'session_revoked',
    user: 'session_revoked',
  },
  'whose session has reached its greatest age': {
    sql: 'UPDATE sessions SET expires_at = clock_timestamp()',
    member: 'session_revoked',
    user: 'session_revoked',
  },
  'whose session was removed': { sql: 'DELETE FROM sessions', member: 'session_revoked', user: 'session_revoked' },
  'whose account was disabled': {
    sql: `WITH ended AS (${END}) UPDATE users SET status = 'disabled'`,
    member: 'organization_access_denied',
    user: 'session_revoked',
  },
  'whose membership was suspended': {
    sql: "UPDATE memberships SET status = 'suspended'",
    member: 'organization_access_denied',
    user: null,
  },
  'whose membership was removed': {
    sql: 'DELETE FROM memberships',
    member: 'organization_access_denied',
    user: null,
  },
  'whose organization was suspended': {
    sql: "UPDATE organizations SET status = 'suspended'",
    member: 'organization_suspended',
    user: null,
  },
  'who has lost the right': { sql: 'DELETE FROM role_assignments', member: 'permission_denied', user: null },
};

/** The requests of signed-in users, each with a key that has been used. */
async function sendFirst({ api, requests }: Pick<Keyed, 'api' | 'requests'>) {
  const sent: { request: KeyedRequest; key: string; first: Reply }[] = [];
  for (const request of requests.filter(({ token }) => token !== undefined)) {
    const key = newKey();
    const first = await send(api, request, key);
    if (first.status > 201) throw new Error(`${request.id}: ${first.text}`);
    sent.push({ request, key, first });
  }
  return sent;
}

const contentOf = (database: TestDatabase) =>
  database.query('SELECT count(*) FROM events UNION ALL SELECT count(*) FROM idempotency_keys');

const isForUsers = ({ id }: KeyedRequest) =>
  describedEndpoints().find((described) => described.id === id)?.access.kind === 'signed_in';

for (const [who, { sql, member, user }] of Object.entries(LOSSES)) {
  t.test(`a caller ${who} gets a kept answer only where a first request would not be refused`, async (t) => {
    const keyed = await openKeyed(t);
    const sent = await sendFirst(keyed);
    t.equal(sent.length, keyed.requests.length - 1, 'every request but the registration has a caller');
    await keyed.database.query(sql);
    const before = await contentOf(keyed.database);
    for (const { request, key, first } of sent) {
      const code = isForUsers(request) ? user : member;
      const again = await send(keyed.api, request, key);
      if (code === null) {
        t.same([again.text, again.headers.get(REPLAYED)], [first.text, 'true'], request.id);
        continue;
      }
      refused(t, again, code, `${request.id}: the repeat`);
      const fresh = await send(keyed.api, request, newKey());
      refused(t, fresh, code, `${request.id}: a first request`);
      t.same(
        [again.status, again.headers.get('www-authenticate')],
        [fresh.status, fresh.headers.get('www-authenticate')],
        request.id,
      );
      if (code === 'session_revoked') {
        t.equal(again.headers.get('www-authenticate'), 'Bearer error="invalid_token"', request.id);
      }
      if (request.otherBody) {
        const other = await send(keyed.api, { ...request, body: request.otherBody }, key);
        refused(t, other, code, `${request.id}: it does not tell which request was made`);
      }
    }
    if (user !== null) t.same(await contentOf(keyed.database), before, 'nothing was changed');
  });
}

t.test('after a logout at one replica, no other replica sends a kept answer', async (t) => {
  const keyed = await openKeyed(t);
  const { api: elsewhere } = await openService(t, keyed.database);
  for (let round = 0; round < rounds(5); round += 1) {
    const { token } = await keyed.join('owner');
    const requests = (await requestsOf(keyed, keyed.owner))
      .filter((request) => request.token === keyed.owner)
      .map((request) => ({ ...request, token }));
    const sent = await sendFirst({ api: elsewhere, requests });
    t.equal((await keyed.api.post('/auth/logout', {}, { token })).status, 204);
    const again = await Promise.all(sent.map(({ request, key }) => send(elsewhere, request, key)));
    for (const [index, reply] of again.entries()) refused(t, reply, 'session_revoked', `${sent[index]?.request.id}`);
  }
});

t.test('a new session of the same user gets the kept answer', async (t) => {
  const { api, database, join } = await openKeyed(t);
  const { token, refreshToken } = await join('owner');
  const request = { path: '/clients', token, body: { name: 'x', permissions: [] } };
  const key = newKey();
  const first = await send(api, request, key);
  const renewed = (await api.post('/auth/refresh', { refreshToken })).body.data.accessToken;
  const again = await send(api, { ...request, token: renewed }, key);
  t.same([again.status, again.text, again.headers.get(REPLAYED)], [201, first.text, 'true']);
  t.equal((await database.query("SELECT 1 FROM clients WHERE name = 'x'")).length, 1);
});

t.test('a secret is not sent again to a caller whose rights no longer include those of the client', async (t) => {
  const { api, database, organization, join } = await openKeyed(t);
  const rights = ['clients:manage', 'deals:write'];
  const roleId = await seedRole(database, organization.id, { name: 'granting', level: 50, permissions: rights });
  const person = await join('viewer');
  await assignRole(database, { organizationId: organization.id, userId: person.userId, roleId });
  const token = await renewed(api, person);
  const create = { path: '/clients', token, body: { name: 'narrow', permissions: ['deals:write'] } };
  const keys = [newKey(), newKey()] as const;
  const created = await send(api, create, keys[0]);
  t.equal(created.status, 201, created.text);
  const { id } = created.body.data;
  const rotate = { path: `/clients/${id}/secret`, token, body: { overlapSeconds: 60 } };
  const rotated = await send(api, rotate, keys[1]);
  t.equal(rotated.status, 200, rotated.text);
  const both = async () => [await send(api, create, keys[0]), await send(api, rotate, keys[1])];
  const granted = (permissions: string[]) =>
    database.query('UPDATE roles SET permissions = $2 WHERE id = $1', [roleId, permissions]);
  const given = (permissions: string[]) =>
    database.query('UPDATE clients SET permissions = $2 WHERE id = $1', [id, permissions]);

  await granted(['clients:manage']);
  for (const reply of await both()) refused(t, reply, 'grant_exceeds_own', 'the caller has lost a right');
  await granted(rights);
  await given(['deals:*']);
  for (const reply of await both()) refused(t, reply, 'grant_exceeds_own', 'the client has more rights now');
  await given(['deals:write']);
  t.same(
    (await both()).map(({ text }) => text),
    [created.text, rotated.text],
    'both have the right again',
  );
  await database.query('DELETE FROM clients WHERE id = $1', [id]);
  t.same(
    (await both()).map(({ text }) => text),
    [created.text, rotated.text],
    'a deleted client has no rights',
  );
});

t.test('an endpoint takes no key from callers for whom no check at a repeat exists', async (t) => {
  const declared = (access: Parameters<typeof endpoint>[0]['access']) => () =>
    endpoint({
      ...{ method: 'POST', url: '/x', id: 'x', summary: 'x', tag: 'x', reply: { 204: null }, idempotent: true },
      access,
      handle: () => undefined,
    });
  for (const access of [open(), signedIn(), needs('deals:read')]) t.doesNotThrow(declared(access));
  for (const access of [platform(), signedIn({ orClient: true }), needs('deals:read', { orClient: true })]) {
    t.throws(declared(access), TypeError);
  }
});
