// A signed-in user accepts an invitation, and can exchange the refresh token in the same call. Also tests the locks of
// the first proof, which ends the sessions on other devices.
import { randomUUID } from 'node:crypto';
import t from 'tap';
import { freshEmail, openInviting } from '../../directory/invitations/inviting.ts';
import { atOnce } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';

t.test('a session that refreshes too often is refused before the invitation is used up', async (t) => {
  const inviting = await openInviting(t, { RATE_LIMIT_ENABLED: 'true', RATE_LIMIT_REFRESH: '1' });
  const { api, database } = inviting;
  const guest = await newAccount(api);
  const { id, token } = await inviting.invited(guest.email);
  const refreshed = await api.post('/auth/refresh', { refreshToken: guest.refreshToken });
  t.equal(refreshed.status, 200);
  const { accessToken, refreshToken } = refreshed.body.data;
  const reply = await api.post('/invitations/accept', { token, refreshToken }, { token: accessToken });
  refused(t, reply, 'too_many_requests', 'accepting');
  t.same(await database.query('SELECT status FROM invitations WHERE id = $1', [id]), [{ status: 'pending' }]);
  const bare = await api.post('/invitations/accept', { token }, { token: accessToken });
  t.equal(bare.status, 200, 'the refusal did not use up the invitation');
});

t.test('a refresh token in the request is exchanged, and its session acts for the new organization', async (t) => {
  const inviting = await openInviting(t);
  const { api, database, owner } = inviting;
  const guest = await newAccount(api);
  const { token } = await inviting.invited(guest.email);
  const { accessToken, refreshToken, sessionId } = guest;
  const reply = await api.post('/invitations/accept', { token, refreshToken }, { token: accessToken });
  t.equal(reply.status, 200);
  t.match(reply.body.data, { sessionId, organization: { id: owner.organization.id }, refreshToken: String });
  t.not(reply.body.data.refreshToken, refreshToken);
  const next = await api.post('/auth/refresh', { refreshToken: reply.body.data.refreshToken });
  t.match(next.body.data, { sessionId, organization: { id: owner.organization.id } });
  const switches = (await eventsAbout(database, sessionId)).filter((type) => type.endsWith('organization_switched'));
  t.equal(switches.length, 1, 'the session was switched once');
});

t.test('the first proof locks all sessions in the order of their ids, including the one that stays', async (t) => {
  const inviting = await openInviting(t);
  const { api, database } = inviting;
  const guest = await newAccount(api);
  const { token } = await inviting.invited(guest.email);
  const later = (await api.post('/auth/login', { email: guest.email, password: guest.password })).body.data;
  const ending = await openTransaction(t, database);
  await ending.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE', [later.sessionId]);
  const accepted = api.post('/invitations/accept', { token }, { token: guest.accessToken });
  await waiters(database, 1);
  const own = ending.query('SELECT FROM sessions WHERE id = $1 FOR UPDATE NOWAIT', [guest.sessionId]);
  await t.rejects(own, { code: '55P03' }, 'a request that waits for a session holds the locks of those before it');
  await ending.query('ROLLBACK');
  t.equal((await accepted).status, 200);
});

t.test('the first proof does not deadlock with another device that ends the other sessions', async (t) => {
  const inviting = await openInviting(t);
  const { api, database } = inviting;
  for (let round = 0; round < 20; round += 1) {
    const guest = await newAccount(api, { email: freshEmail() });
    const { token } = await inviting.invited(guest.email);
    const other = await api.post('/auth/login', { email: guest.email, password: guest.password });
    // Sessions with ids after that of the current session. A request that ends them locks each of them.
    const ids = Array.from({ length: 100 }, () => `ffffffff${randomUUID().slice(8)}`);
    await database.query(
      `INSERT INTO sessions (id, user_id, amr, created_at, last_seen_at, idle_expires_at, expires_at, confirmed, confirmed_at)
       SELECT p.id, s.user_id, s.amr, s.created_at, s.last_seen_at, s.idle_expires_at, s.expires_at, gen_random_uuid(), s.confirmed_at
       FROM sessions s, unnest($2::uuid[]) AS p (id) WHERE s.id = $1`,
      [guest.sessionId, ids],
    );
    const replies = await atOnce(2, (index) =>
      index === 0
        ? api.post('/invitations/accept', { token }, { token: guest.accessToken })
        : api.delete('/me/sessions', { token: other.body.data.accessToken }),
    );
    const statuses = replies.map(({ status }) => status);
    t.ok(
      statuses.every((status) => [200, 401].includes(status)),
      `round ${round}: ${statuses}`,
    );
  }
});
