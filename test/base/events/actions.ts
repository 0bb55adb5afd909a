// The actions that record an event and end no token. These actions and those of causes.ts together record every event
// of the catalogue at least once.
import { randomUUID } from 'node:crypto';
import { createAccount } from '../../../src/admin/accounts/create-account.ts';
import {
  grantPlatformAdministrator,
  revokePlatformAdministrator,
} from '../../../src/admin/administrators/administrators.ts';
import { createOrganizationForOwner } from '../../../src/admin/organizations/create-for-owner.ts';
import {
  activateOrganization,
  setSubscription,
  suspendOrganization,
} from '../../../src/admin/organizations/organizations.ts';
import { acceptDatabase } from '../../../src/admin/restore/restore.ts';
import { endAllSessions } from '../../../src/admin/sessions/sessions.ts';
import { changeMails } from '../../../src/base/outbox/operate.ts';
import { judgeLineage, type Verdict } from '../../../src/credentials/revocations/lineage-store.ts';
import { inviteByOperator } from '../../../src/directory/invitations/invitations.ts';
import { invite } from '../../credentials/revocations/causes/causes.ts';
import type { TokenHolders } from '../../credentials/revocations/causes/token-holders.ts';
import type { Reply } from '../../support/client.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedInvitation } from '../../support/fixtures/invitations.ts';

const PASSWORD = 'gravel umbrella tuesday';
const byOwner = ({ owner }: TokenHolders) => ({ token: owner.accessToken });
const freshEmail = () => `${randomUUID()}@example.com`;
const offer = () => ({ email: freshEmail(), roles: [{ role: 'viewer', scope: {} }] });

async function good(reply: Promise<Reply>) {
  const { status, body, text } = await reply;
  if (status >= 300) throw new Error(`answered ${status}: ${text}`);
  return body?.data;
}

const unproven = ({ database, outsider }: TokenHolders) =>
  database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [outsider.userId]);

/** The keys are titles of tests. The actions run in this order. */
export const ACTIONS: Readonly<Record<string, (holders: TokenHolders) => Promise<unknown>>> = {
  'a client that is made, disabled and enabled': async (holders) => {
    const { id } = await good(
      holders.api.post('/clients', { name: 'Deals', permissions: ['users:read'] }, byOwner(holders)),
    );
    for (const status of ['disabled', 'active']) {
      await good(holders.api.patch(`/clients/${id}`, { status }, byOwner(holders)));
    }
  },
  'an invitation that is sent, renewed and revoked': async (holders) => {
    const { id } = await good(holders.api.post('/invitations', offer(), byOwner(holders)));
    await good(holders.api.post(`/invitations/${id}/resend`, undefined, byOwner(holders)));
    await good(holders.api.delete(`/invitations/${id}`, byOwner(holders)));
  },
  'an invitation of an operator': ({ app: { parts }, here }) =>
    inviteByOperator({ ...parts, invitationTtlSeconds: 86_400 }, { ...offer(), organization: here.id }),
  'an account that is made by accepting an invitation': async (holders) => {
    const token = await invite(holders, freshEmail());
    await good(holders.api.post('/invitations/accept', { token, name: 'Grace Hopper', password: PASSWORD }));
  },
  'a mailbox that a signed-in user proves': async (holders) => {
    await unproven(holders);
    const token = await invite(holders);
    await good(holders.api.post('/invitations/accept', { token }, { token: holders.outsider.accessToken }));
  },
  'an account that is claimed, with an invitation that it has sent': async (holders) => {
    const { api, database, here, outsider } = holders;
    await database.query('DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2', [
      ...[outsider.userId, here.id],
    ]);
    await unproven(holders);
    await seedInvitation(database, here.id, { email: freshEmail(), invitedBy: outsider.userId });
    const token = await invite(holders);
    await good(api.post('/invitations/accept', { token, name: 'The owner', password: PASSWORD }));
  },
  'a role that is made': (holders) =>
    good(holders.api.post('/roles', { name: 'closer', level: 1, permissions: ['contacts:read'] }, byOwner(holders))),
  'the deletion of that role': async (holders) => {
    const [role] = await holders.database.query<{ id: string }>(`SELECT id::text FROM roles WHERE name = 'closer'`);
    await good(holders.api.delete(`/roles/${role?.id}`, byOwner(holders)));
  },
  'another name of an organization': (holders) =>
    good(holders.api.patch('/organizations/current', { name: 'Another name' }, byOwner(holders))),
  'another name of a user': ({ api, member }) =>
    good(api.patch('/me', { name: 'Another name', locale: 'es' }, { token: member.accessToken })),
  'a copy of a user’s own data': ({ api, member }) => good(api.get('/me/export', { token: member.accessToken })),
  'a fresh proof, with which another e-mail is requested': async ({ api }) => {
    const { password, accessToken } = await newAccount(api);
    const { accessToken: token } = await good(api.post('/auth/reauthenticate', { password }, { token: accessToken }));
    await good(api.post('/me/email', { newEmail: freshEmail() }, { token }));
  },
  'an account with an organization': ({ api }) => newAccount(api),
  'an organization that a user creates': ({ api, member }) =>
    good(api.post('/organizations', { name: 'Of a member' }, { token: member.accessToken })),
  'an organization that an operator creates': ({ app, member }) =>
    createOrganizationForOwner(app.parts, { ownerEmail: member.email, name: 'Of an operator', slug: null }),
  'an account that an operator makes': ({ app }) =>
    createAccount(app.parts, { email: freshEmail(), name: 'Made', password: PASSWORD, verified: true }),
  'another subscription': async ({ app, here }) => {
    await setSubscription(app.parts, here.id, { plan: 'gold', status: 'active', limits: { messages: 7 } });
    await setSubscription(app.parts, here.id, { trialEndsAt: new Date('2031-01-01T00:00:00Z') });
  },
  'a session that acts for another organization': async ({ api, both, here, other }) => {
    const switched = { organization: other.slug };
    await good(api.post('/auth/switch-organization', switched, { token: both.accessToken }));
    const back = { organization: here.slug, refreshToken: both.refreshToken };
    await good(api.post('/auth/switch-organization', back, { token: both.accessToken }));
  },
  'a refresh token that is sent again long after its child was issued': async ({ api, database }) => {
    const { refreshToken, sessionId } = await newAccount(api);
    await good(api.post('/auth/refresh', { refreshToken }));
    const past = `UPDATE sessions SET successor_at = successor_at - interval '1 hour' WHERE id = $1`;
    await database.query(past, [sessionId]);
    await good(api.post('/auth/refresh', { refreshToken }));
  },
  'an administrator of the platform, who suspends and activates': async ({ app, other, member }) => {
    await grantPlatformAdministrator(app.parts, member.email);
    const administrator = { id: member.userId, sessionId: member.sessionId };
    await suspendOrganization(app.parts, other.id, administrator);
    await activateOrganization(app.parts, other.id, administrator);
    await revokePlatformAdministrator(app.parts, member.email);
  },
  'mails that were given up: one is tried again, one is dropped': async ({ app, database }) => {
    const [one, another] = await database.query<{ id: string }>(
      'UPDATE outbox SET due_at = NULL, done_at = NULL, outcome = NULL RETURNING id::text',
    );
    await changeMails(app.parts, 'retry', [one?.id ?? '']);
    await changeMails(app.parts, 'drop', [another?.id ?? '']);
  },
  'a database that was set back, and the decision of an operator': async ({ app }) => {
    const judge = (verdict: Verdict, lineage: string) =>
      judgeLineage(app.parts.db.systemReader(), { lineage, verdict, wentBack: false });
    await judge('whole', '1/1');
    await judge('lost', '1/2');
    await acceptDatabase(app.parts);
  },
  'every session of the installation that an operator ends': ({ app }) => endAllSessions(app.parts),
};
