// The subscription of the current organization: plan, trial, limits, and their usage.
import { randomUUID } from 'node:crypto';
import t, { type Test } from 'tap';
import { setSubscription } from '../../../src/admin/organizations/organizations.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { UNREAD_INVITATION } from '../../support/personal.ts';
import { refused } from '../../support/raw.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';

const database = await createDatabase(t);
const SUBSCRIPTION = '/organizations/current/subscription';

async function opened(t: Test) {
  const { api, app } = await openService(t, database);
  const account = await newAccount(api);
  const read = async () => (await api.get(SUBSCRIPTION, { token: account.accessToken })).body.data;
  return { api, app, account, read, org: account.organization.id };
}

async function invite(organizationId: string, status: string, expires: string) {
  await database.query(
    `INSERT INTO invitations (id, organization_id, ${UNREAD_INVITATION.columns}, status, expires_at, accepted_by)
     VALUES (gen_random_uuid(), $1, ${UNREAD_INVITATION.values('$2::text')}, $3, now() + $4::interval, CASE WHEN $3 = 'accepted' THEN gen_random_uuid() END)`,
    [organizationId, `${randomUUID()}@example.com`, status, expires],
  );
}

t.test('a new organization is on trial, with the limits of the trial and one member', async (t) => {
  const { read } = await opened(t);
  const { trialEndsAt, ...told } = await read();
  t.strictSame(told, {
    plan: 'trial',
    status: 'trialing',
    trialExpired: false,
    limits: { teamMembers: 2, messages: 100, phoneNumbers: 1 },
    usage: { teamMembers: 1, pendingInvitations: 0 },
  });
  const days = (Date.parse(trialEndsAt) - Date.now()) / 86_400_000;
  t.ok(days > 13.9 && days <= 14, `14 days: ${days}`);
});

t.test('the usage counts members of any status and open invitations, of this organization only', async (t) => {
  const { api, account, read, org } = await opened(t);
  const other = await newAccount(api);
  const suspended = await newAccount(api);
  await seedMembership(database, { organizationId: org, userId: suspended.userId, role: 'agent' });
  await database.query("UPDATE memberships SET status = 'suspended' WHERE user_id = $1 AND organization_id = $2", [
    suspended.userId,
    org,
  ]);
  await invite(org, 'pending', '1 day');
  await invite(org, 'pending', '-1 second');
  await invite(org, 'revoked', '1 day');
  await invite(org, 'accepted', '1 day');
  await invite(other.organization.id, 'pending', '1 day');
  t.strictSame((await read()).usage, { teamMembers: 2, pendingInvitations: 1 });
  await seedMembership(database, { organizationId: other.organization.id, userId: account.userId, role: 'viewer' });
  t.strictSame((await read()).usage, { teamMembers: 2, pendingInvitations: 1 });
});

t.test('a trial ends by the clock of the database, and a subscription that is not a trial does not end', async (t) => {
  const { read, org } = await opened(t);
  await database.query("UPDATE subscriptions SET trial_ends_at = now() - interval '1 ms' WHERE organization_id = $1", [
    org,
  ]);
  t.equal((await read()).trialExpired, true);
  await database.query("UPDATE subscriptions SET status = 'active' WHERE organization_id = $1", [org]);
  t.equal((await read()).trialExpired, false);
  await database.query(
    "UPDATE subscriptions SET status = 'trialing', trial_ends_at = NULL WHERE organization_id = $1",
    [org],
  );
  t.match(await read(), { trialExpired: false, trialEndsAt: null });
});

t.test('an operator changes only the named fields, and repeating the change has no effect', async (t) => {
  const { app, read, org, account } = await opened(t);
  const before = await read();
  const first = await setSubscription(app.parts, account.organization.slug, { limits: { teamMembers: 50 } });
  t.equal(first.changed, true);
  t.strictSame(await read(), { ...before, limits: { ...before.limits, teamMembers: 50 } });
  t.match(first.organization, { id: org, subscription: { limits: { teamMembers: 50, messages: 100 } } });
  const change = { plan: 'team', status: 'active', trialEndsAt: new Date('2030-01-02T03:04:05.678Z') } as const;
  t.equal((await setSubscription(app.parts, org, change)).changed, true);
  t.match(await read(), {
    plan: 'team',
    status: 'active',
    trialEndsAt: '2030-01-02T03:04:05.678Z',
    limits: { teamMembers: 50 },
  });
  t.equal((await setSubscription(app.parts, org, { ...change, limits: { teamMembers: 50 } })).changed, false);
  t.strictSame((await eventsAbout(database, org)).slice(1), Array(2).fill('subscription.changed'));
  const [event] = await database.query(
    `SELECT data FROM events WHERE target_id = $1 AND type = 'subscription.changed' ORDER BY at DESC LIMIT 1`,
    [org],
  );
  t.match(event, { data: { plan: 'team', status: 'active', trialEndsAt: '2030-01-02T03:04:05.678Z' } });
  await t.rejects(setSubscription(app.parts, 'no-such-organization', { plan: 'team' }), { code: 'not_found' });
});

t.test('members who can read the organization can read its subscription', async (t) => {
  const { api, org } = await opened(t);
  const viewer = await newAccount(api);
  await seedMembership(database, { organizationId: org, userId: viewer.userId, role: 'viewer' });
  const { email, password } = viewer;
  const token = (await api.post('/auth/login', { email, password, organization: org })).body.data.accessToken;
  refused(t, await api.get(SUBSCRIPTION, { token }), 'permission_denied', 'a viewer');
  await database.query('DELETE FROM subscriptions WHERE organization_id = $1', [viewer.organization.id]);
  refused(
    t,
    await api.get(SUBSCRIPTION, { token: viewer.accessToken }),
    'not_found',
    'an organization without a subscription gets 404',
  );
});
