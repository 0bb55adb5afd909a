// Users close their accounts over HTTP: what is refused, what is deleted with the account, and what stays.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import type { Account } from '../../support/fixtures/accounts.ts';
import { newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { assignRole } from '../../support/fixtures/roles.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const { api } = await openService(t, database);

const close = (account: Pick<Account, 'password' | 'accessToken'>, body: object = {}) =>
  api.call('DELETE', '/me', { password: account.password, ...body }, { token: account.accessToken });

const rowOf = async (userId: string) => {
  const rows = await database.query<Record<string, unknown>>('SELECT * FROM users WHERE id = $1', [userId]);
  return rows[0];
};
const events = (userId: string, type: string) =>
  database.query('SELECT organization_id, actor_id, data FROM events WHERE target_id = $1 AND type = $2', [
    userId,
    type,
  ]);

t.test('a wrong password closes nothing, and the right one leaves a row without personal data', async (t) => {
  const account = await newAccountWithoutOrganization(api);
  const wrong = await close(account, { password: 'wrong' });
  t.match([wrong.status, wrong.code], [403, 'wrong_password']);
  t.equal((await api.get('/me', { token: account.accessToken })).status, 200);
  const second = await api.post('/auth/login', { email: account.email, password: account.password });
  t.equal((await close(account)).status, 204);
  const row = await rowOf(account.userId);
  t.match(row, { status: 'closed', email: null, email_key: null, name: null });
  t.match(row, { email_sealed: null, email_lookup: null, name_sealed: null, email_verified_at: null });
  for (const table of ['passwords', 'user_search', 'person_keys', 'memberships', 'platform_administrators']) {
    t.same(await database.query(`SELECT 1 FROM ${table} WHERE user_id = $1`, [account.userId]), [], table);
  }
  const sessions = await database.query<Record<string, unknown>>('SELECT * FROM sessions WHERE user_id = $1', [
    account.userId,
  ]);
  t.equal(sessions.length, 2);
  for (const session of sessions) {
    t.match(session, { revoked_reason: 'account_closed', ip_sealed: null, user_agent_sealed: null });
  }
  t.same(await events(account.userId, 'user.closed'), [{ organization_id: null, actor_id: account.userId, data: {} }]);
  for (const token of [account.accessToken, second.body.data.accessToken]) {
    const refused = await api.get('/me', { token });
    t.equal(refused.status, 401);
  }
  const refresh = await api.post('/auth/refresh', { refreshToken: account.refreshToken });
  t.equal(refresh.status, 401);
  const again = await close(account);
  t.equal(again.status, 401);
});

t.test('a closed address signs in as an unknown one does, and registers again as somebody new', async (t) => {
  const account = await newAccount(api);
  t.equal((await close(account, { deleteOrganizations: [account.organization.id] })).status, 204);
  const { email, password } = account;
  const refused = await api.post('/auth/login', { email, password });
  const unknown = await api.post('/auth/login', { email: `nobody-${email}`, password });
  const { requestId: _, ...of } = refused.body;
  const { requestId: __, ...ofUnknown } = unknown.body;
  t.same([refused.status, of], [unknown.status, ofUnknown]);
  const anew = await api.post('/auth/register', { email, password, name: 'Somebody New' });
  t.equal(anew.status, 201);
  t.not(anew.body.data.user.id, account.userId);
  t.same(anew.body.data.memberships, []);
});

t.test('a last owner is refused, and may delete only organizations without other members', async (t) => {
  const account = await newAccount(api);
  const crowded = await newAccount(api);
  const { accessToken: token } = account;
  const lonely = account.organization;
  const second = await api.post('/organizations', { name: 'Second of mine' }, { token });
  const shared = second.body.data.organization ?? second.body.data;
  await seedMembership(database, { organizationId: shared.id, userId: crowded.userId, role: 'agent' });
  const refused = await close(account);
  t.match([refused.status, refused.code], [409, 'last_owner']);
  t.same(
    new Map(refused.body.organizations.map((one: { id: string }) => [one.id, one])),
    new Map([
      [lonely.id, { ...lonely, canBeDeleted: true }],
      [shared.id, { id: shared.id, name: shared.name, slug: shared.slug, canBeDeleted: false }],
    ]),
  );
  const named = await close(account, { deleteOrganizations: [lonely.id, shared.id] });
  t.match(named.body.organizations, [{ id: shared.id, canBeDeleted: false }]);
  t.equal(named.body.organizations.length, 1);
  const foreign = await close(account, { deleteOrganizations: [crowded.organization.id] });
  t.match([foreign.status, foreign.body.issues[0].path], [422, 'deleteOrganizations.0']);
  t.equal((await rowOf(account.userId))?.status, 'active');
  t.equal((await api.get('/organizations/current', { token })).status, 200, 'nothing was deleted');

  await assignRole(database, { organizationId: shared.id, userId: crowded.userId, role: 'owner' });
  t.equal((await close(account, { deleteOrganizations: [lonely.id] })).status, 204);
  t.same(await database.query('SELECT 1 FROM organizations WHERE id = $1 AND deleted_at IS NULL', [lonely.id]), []);
  t.match(await events(lonely.id, 'organization.deleted'), [{ actor_id: account.userId, data: { slug: lonely.slug } }]);
  t.same(await events(account.userId, 'member.left'), [
    { organization_id: shared.id, actor_id: account.userId, data: { reason: 'account_closed' } },
  ]);
  const revoked = await database.query<{ kind: string }>(
    `SELECT DISTINCT CASE WHEN membership_organization_id IS NULL THEN kind ELSE 'membership' END AS kind
     FROM revocations WHERE subject = ANY($1) ORDER BY kind`,
    [[account.userId, account.sessionId, lonely.id]],
  );
  t.same(
    revoked.map(({ kind }) => kind),
    ['membership', 'organization', 'session', 'user'],
  );
});

t.test('a user cannot delete a suspended organization', async (t) => {
  const account = await newAccount(api);
  await database.query(`UPDATE organizations SET status = 'suspended' WHERE id = $1`, [account.organization.id]);
  const refused = await close(account, { deleteOrganizations: [account.organization.id] });
  t.match(refused.body, { code: 'last_owner', organizations: [{ canBeDeleted: false }] });
});

t.test('of two administrators of the platform who close their accounts at the same moment, one stays', async (t) => {
  const people = [await newAccountWithoutOrganization(api), await newAccountWithoutOrganization(api)];
  for (const { userId } of people) {
    await database.query('INSERT INTO platform_administrators (user_id) VALUES ($1)', [userId]);
  }
  const replies = await atOnce(2, (index) => close(people[index] as Account));
  t.same(replies.map(({ status }) => status).sort(), [204, 409]);
  t.ok(replies.some(({ code }) => code === 'last_administrator'));
});
