// Closing an account at the same moment as something else that its person, or another owner, does.
import t, { type Test } from 'tap';
import { freshEmail, openInviting, PASSWORD } from '../../directory/invitations/inviting.ts';
import { atOnce, type Reply } from '../../support/client.ts';
import { type Account, newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { assignRole } from '../../support/fixtures/roles.ts';
import { collide } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

const inviting = await openInviting(t);
const { api, database } = inviting;
const { api: elsewhere } = await openService(t, database);

type Closable = Pick<Account, 'userId' | 'accessToken' | 'password'>;

const close = ({ accessToken, password }: Closable, at = api) =>
  at.call('DELETE', '/me', { password }, { token: accessToken });
const codesOf = (replies: readonly Reply[]) => replies.map(({ status, code }) => code ?? String(status)).sort();

/** What a closed account must not have, whatever happened at the same moment. */
async function isGone(t: Test, userId: string) {
  const [left] = await database.query(
    `SELECT u.status, u.email_sealed AS email,
       (SELECT count(*)::int FROM memberships WHERE user_id = u.id) AS memberships,
       (SELECT count(*)::int FROM passwords WHERE user_id = u.id) AS passwords,
       (SELECT count(*)::int FROM sessions WHERE user_id = u.id AND revoked_at IS NULL) AS sessions,
       (SELECT count(*)::int FROM sessions WHERE user_id = u.id
         AND (ip_sealed IS NOT NULL OR user_agent_sealed IS NOT NULL)) AS traces,
       (SELECT count(*)::int FROM events WHERE target_id = u.id AND type = 'user.closed') AS closed
     FROM users u WHERE u.id = $1`,
    [userId],
  );
  const nothing = { memberships: 0, passwords: 0, sessions: 0, traces: 0 };
  t.same(left, { status: 'closed', email: null, ...nothing, closed: 1 });
}

/** An organization with two owners, and nobody else. */
async function twoOwners(): Promise<{ owners: [Closable, Closable]; organization: { id: string } }> {
  const [first, second] = [await newAccount(api), await newAccountWithoutOrganization(api)];
  const { organization } = first;
  await seedMembership(database, { organizationId: organization.id, userId: second.userId, role: 'agent' });
  await assignRole(database, { organizationId: organization.id, userId: second.userId, role: 'owner' });
  return { owners: [first, second], organization };
}

async function hasOneOwner(t: Test, organizationId: string) {
  const owners = await database.query(
    `SELECT m.user_id FROM memberships m JOIN users u ON u.id = m.user_id AND u.status = 'active'
     WHERE m.organization_id = $1 AND m.status = 'active'`,
    [organizationId],
  );
  t.equal(owners.length, 1, 'the organization has an owner');
}

/**
 * On a busy machine, a request of a race may wait too long for a connection. This answer says nothing about the race.
 */
const BUSY = 'service_busy';

t.test('an invitation that is accepted while the account closes leaves no member without an account', async (t) => {
  for (let round = 0; round < rounds(12); round += 1) {
    const guest = await newAccountWithoutOrganization(api, { email: freshEmail() });
    await database.query('UPDATE users SET email_verified_at = now() WHERE id = $1', [guest.userId]);
    const { token } = await inviting.invited(guest.email);
    const [closed, accepted] = (await atOnce<Reply>(2, (index) =>
      index === 0 ? close(guest) : elsewhere.post('/invitations/accept', { token }, { token: guest.accessToken }),
    )) as [Reply, Reply];
    t.equal(closed.status, 204, closed.text);
    if (accepted.status === 200) {
      t.equal((await api.get('/me', { token: accepted.body.data.accessToken })).status, 401);
    } else t.ok([401, 403, 404, 410].includes(accepted.status), accepted.text);
    await isGone(t, guest.userId);
  }
});

t.test('a membership that is committed while the closing waits is found, and ends too', async (t) => {
  const { owners, organization } = await twoOwners();
  const joining = await newAccount(api);
  const leaver = owners[1];
  const [closed] = await collide(t, { database, organization }, [() => close(leaver)], (ask) =>
    ask(`INSERT INTO memberships (organization_id, user_id, status) VALUES ($1, $2, 'active')`, [
      joining.organization.id,
      leaver.userId,
    ]),
  );
  t.equal(closed?.status, 204);
  await isGone(t, leaver.userId);
});

t.test('of two owners who close their accounts at the same moment, one stays', async (t) => {
  for (let round = 0; round < rounds(12); round += 1) {
    const { owners, organization } = await twoOwners();
    const replies = await atOnce(2, (index) => close(owners[index] as Closable, index === 0 ? api : elsewhere));
    t.same(codesOf(replies), ['204', 'last_owner']);
    await hasOneOwner(t, organization.id);
  }
});

t.test('two owners who both wait to close: the second one finds that it is the last', async (t) => {
  const { owners, organization } = await twoOwners();
  const replies = await collide(
    t,
    { database, organization },
    owners.map((one) => () => close(one)),
  );
  t.same(codesOf(replies), ['204', 'last_owner']);
  await hasOneOwner(t, organization.id);
});

t.test('of an owner who closes the account and one who leaves the organization, one stays', async (t) => {
  for (let round = 0; round < rounds(12); round += 1) {
    const { owners, organization } = await twoOwners();
    const [first, second] = owners;
    const replies = await atOnce<Reply>(2, (index) =>
      index === 0
        ? close(first)
        : elsewhere.call('DELETE', `/me/organizations/${organization.id}`, undefined, { token: second.accessToken }),
    );
    t.same(codesOf(replies), ['204', 'last_owner']);
    await hasOneOwner(t, organization.id);
  }
});

t.test('neither a refresh nor a sign-in at the same moment opens anything that outlives the account', async (t) => {
  for (let round = 0; round < rounds(12); round += 1) {
    const account = await newAccountWithoutOrganization(api);
    const { email, password, refreshToken } = account;
    const [closed, ...others] = (await atOnce<Reply>(4, (index) => {
      if (index === 0) return close(account);
      if (index === 1) return elsewhere.post('/auth/refresh', { refreshToken });
      return elsewhere.post('/auth/login', { email, password });
    })) as [Reply, ...Reply[]];
    t.equal(closed.status, 204, closed.text);
    for (const { status, body, text, code } of others) {
      t.ok(status === 200 || status === 401 || code === BUSY, text);
      if (status !== 200) continue;
      t.equal((await api.get('/me', { token: body.data.accessToken })).status, 401);
      t.equal((await api.post('/auth/refresh', { refreshToken: body.data.refreshToken })).status, 401);
    }
    await isGone(t, account.userId);
  }
});

t.test('of several closings of one account one succeeds, and one event says so', async (t) => {
  for (let round = 0; round < rounds(12); round += 1) {
    const account = await newAccountWithoutOrganization(api);
    const { email, password } = account;
    const { accessToken } = (await api.post('/auth/login', { email, password })).body.data;
    const replies = await atOnce(4, (index) =>
      close(
        { ...account, accessToken: index % 2 ? accessToken : account.accessToken } as Account,
        [api, elsewhere][index >> 1],
      ),
    );
    t.equal(replies.filter(({ status }) => status === 204).length, 1, codesOf(replies).join(' '));
    for (const { status, text, code } of replies) t.ok(status === 204 || status === 401 || code === BUSY, text);
    await isGone(t, account.userId);
  }
});

t.test('an account that closes while its password changes is closed, or goes on with the new password', async (t) => {
  for (let round = 0; round < rounds(12); round += 1) {
    const account = await newAccountWithoutOrganization(api);
    const { email, password, accessToken: token } = account;
    const other = (await api.post('/auth/login', { email, password })).body.data.accessToken;
    const [closed, changed] = (await atOnce<Reply>(2, (index) =>
      index === 0
        ? close({ ...account, accessToken: other })
        : elsewhere.post('/me/password', { currentPassword: password, newPassword: PASSWORD }, { token }),
    )) as [Reply, Reply];
    if (closed.status === 204) await isGone(t, account.userId);
    else {
      t.ok([401, 403].includes(closed.status), closed.text);
      t.equal(changed.status, 200, changed.text);
      t.equal((await api.post('/auth/login', { email, password: PASSWORD })).status, 200);
    }
  }
});
