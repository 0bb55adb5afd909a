// The export of a person’s own data is complete and unsealed, has nothing about other people, and comes in pages.
import t from 'tap';
import { openInviting, registering } from '../../directory/invitations/inviting.ts';
import type { Reply } from '../../support/client.ts';
import { newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';
import { tokenIn } from '../../support/servers/mailbox.ts';

const inviting = await openInviting(t, { TRUSTED_PROXIES: '127.0.0.1' });
const { api, database, mailbox, owner } = inviting;

const read = (token: string, cursor?: string | null) =>
  api.get(`/me/export${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ''}`, { token });

async function readAll(token: string) {
  const pages: Reply[] = [];
  let cursor: string | null = null;
  do {
    const page: Reply = await read(token, cursor);
    pages.push(page);
    cursor = page.body.pagination?.nextCursor ?? null;
  } while (cursor !== null && pages.length < 100);
  return pages;
}

t.test('the export has what is stored about the person, unsealed, and nothing about others', async (t) => {
  const far = { 'user-agent': 'Exporter/1.0 canary', 'x-forwarded-for': '203.0.113.99' };
  const guest = 'exported-guest@example.com';
  const invitation = await inviting.invited(guest, 'admin');
  const joined = await api.post('/invitations/accept', registering(invitation.token, 'Grace Exported'), {
    headers: far,
  });
  t.equal(joined.status, 200, joined.text);
  const { accessToken: token, refreshToken, sessionId, user } = joined.body.data;
  t.equal((await inviting.invite('invited-by-grace@example.com', 'agent', token)).status, 201);
  t.equal((await inviting.invite('invited-by-owner@example.com')).status, 201);
  // When a child is issued again, an event records the network, sealed for the person.
  t.equal((await api.post('/auth/refresh', { refreshToken })).status, 200);
  await database.query(`UPDATE sessions SET successor_at = successor_at - interval '1 hour' WHERE id = $1`, [
    sessionId,
  ]);
  t.equal((await api.post('/auth/refresh', { refreshToken }, { headers: far })).status, 200);

  const reply = await read(token);
  t.equal(reply.status, 200, reply.text);
  t.equal(reply.headers.get('content-disposition'), 'attachment; filename="tenantry-export.json"');
  t.equal(reply.headers.get('cache-control'), 'no-store');
  const { data, pagination } = reply.body;
  t.match(pagination, { nextCursor: null, hasMore: false });
  t.match(data.account, { id: user.id, email: guest, name: 'Grace Exported', emailVerified: true, locale: null });
  t.match(data.memberships, [{ organization: owner.organization, status: 'active', roles: [{ name: 'admin' }] }]);
  t.match(data.sessions, [{ id: sessionId, ip: '203.0.113.99', userAgent: 'Exporter/1.0 canary', endedAt: null }]);
  t.match(data.invitationsSent, [{ email: 'invited-by-grace@example.com', roles: ['agent'] }]);
  t.match(data.invitationsAccepted, [{ id: invitation.id, email: guest, status: 'accepted' }]);
  const types = data.events.map(({ type }: { type: string }) => type);
  for (const type of ['user.registered', 'session.opened', 'member.joined', 'invitation.created', 'user.exported']) {
    t.ok(types.includes(type), type);
  }
  const reissued = data.events.find(({ type }: { type: string }) => type === 'session.child_reissued');
  t.equal(reissued?.data.network, '203.0.113.99');
  t.notMatch(reply.text, /invited-by-owner|argon2|Ada Lovelace/);
  t.notOk(reply.text.includes(owner.email));
  const stored = await database.query<{ secret: string }>(
    `SELECT encode(secret_sealed, 'base64') AS secret FROM person_keys UNION SELECT hash FROM passwords`,
  );
  for (const { secret } of stored) t.notOk(reply.text.includes(secret));
});

t.test('a person with many events gets them in pages, each event once and in order', async (t) => {
  const { userId, accessToken: token } = await newAccountWithoutOrganization(api);
  await database.query(
    `INSERT INTO events (id, type, actor_id, target_id, at)
     SELECT gen_random_uuid(), 'user.renamed', $1, $1, timestamptz '2026-01-01' + (n / 3) * interval '1 microsecond'
     FROM generate_series(1, 4500) AS n`,
    [userId],
  );
  const pages = await readAll(token);
  t.equal(pages.length, 3);
  const events = pages.flatMap(({ body }) => body.data.events);
  const [row] = await database.query<{ ids: string[] }>(
    'SELECT array_agg(id::text ORDER BY at, id) AS ids FROM events WHERE actor_id = $1',
    [userId],
  );
  t.same(
    events.map(({ id }) => id),
    row?.ids,
  );
  t.equal(events.filter(({ type }) => type === 'user.exported').length, 1, 'an export is recorded once');
  for (const { body } of pages) {
    t.equal(body.data.account.id, userId);
    t.ok(body.data.events.length + body.data.sessions.length <= body.pagination.limit);
  }
});

t.test('a malformed cursor is refused, and a cursor after the last event gets no events', async (t) => {
  const { accessToken: token } = await newAccountWithoutOrganization(api);
  const nil = '00000000-0000-0000-0000-000000000000';
  for (const text of ['', 'x', `events 0 ${nil}x`, `others 0 ${nil}`, `events -1 ${nil}`]) {
    const cursor = Buffer.from(text).toString('base64url') || '!';
    const refused = await read(token, cursor);
    t.match([refused.status, refused.body.issues?.[0]?.path], [422, 'cursor'], text);
  }
  const late = await read(token, Buffer.from(`events 9999999999999999 ${nil}`).toString('base64url'));
  t.match([late.status, late.body.data.events], [200, []]);
});

t.test('who takes an account over that somebody else had registered sees nothing that the other one did', async (t) => {
  const email = 'squatted-export@example.com';
  const stranger = { 'user-agent': 'Stranger/1.0 canary', 'x-forwarded-for': '203.0.113.66' };
  const registered = await api.post(
    '/auth/register',
    { email, password: 'eleven purple kettles', name: 'Stranger' },
    { headers: stranger },
  );
  t.equal(registered.status, 201, registered.text);
  const { user } = registered.body.data;
  const invited = await seedInvitation(database, owner.organization.id, { email: 'invited-by-stranger@example.com' });
  await database.query('UPDATE invitations SET invited_by = $2 WHERE id = $1', [invited.id, user.id]);
  const proof = tokenIn(await mailbox.nextProof(email));
  const password = 'nine yellow lanterns';
  const claimed = await api.post('/auth/verify-email', { token: proof });
  t.equal(claimed.status, 200, claimed.text);
  const { resetToken } = claimed.body.data;
  t.equal((await api.post('/auth/reset-password', { token: resetToken, password })).status, 204);
  const { body } = await api.post('/auth/login', { email, password });
  const reply = await read(body.data.accessToken);
  t.equal(reply.status, 200, reply.text);
  const { data } = reply.body;
  t.same(
    data.sessions.map(({ id }: { id: string }) => id),
    [body.data.sessionId],
  );
  t.same(data.invitationsSent, []);
  const types = data.events.map(({ type }: { type: string }) => type);
  t.notOk(types.includes('user.registered'));
  t.ok(types.includes('user.claimed') && types.includes('session.opened'));
  t.notMatch(reply.text, /canary|203\.0\.113\.66|invited-by-stranger/);
});
