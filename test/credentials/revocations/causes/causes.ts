// Lists every change that must end tokens, with the holders of these tokens, for causes.test.ts. `event` is the type
// that the transaction records. Every event type of the catalogue is in this list or in ends-nothing.ts.
import { randomBytes } from 'node:crypto';
import { disableAccount, enableAccount, setPassword } from '../../../../src/admin/accounts/change-account.ts';
import { closeForOperator } from '../../../../src/admin/accounts/close-account.ts';
import { grantRoles } from '../../../../src/admin/accounts/grant-roles.ts';
import { activateOrganization, suspendOrganization } from '../../../../src/admin/organizations/organizations.ts';
import { endEverything } from '../../../../src/admin/restore/restore.ts';
import { endAllSessions, endAnySession, endUserSessions } from '../../../../src/admin/sessions/sessions.ts';
import type { EventType } from '../../../../src/base/events/catalogue.ts';
import { createOneTime } from '../../../../src/credentials/one-time/create.ts';
import type { Purpose } from '../../../../src/credentials/one-time/purposes.ts';
import { revokeSigningKey } from '../../../../src/credentials/revocations/revoke-key.ts';
import { applyPreset } from '../../../../src/directory/presets/apply.ts';
import { CRM, crmWith } from '../../../directory/presets/applying.ts';
import { ageRotation } from '../../../sign-in/sessions/rows.ts';
import { seedInvitation } from '../../../support/fixtures/invitations.ts';
import { SEEDED_PASSWORD, signInPerson } from '../../../support/fixtures/people.ts';
import { partsOf } from '../../../support/forge.ts';
import type { Holder, TokenHolders } from './token-holders.ts';

type Refused = Readonly<Partial<Record<Holder, string>>>;

export interface Cause {
  /** The event type that the change records. */
  readonly event: EventType;
  readonly refused: Refused;
  /** Prepares the data that the change needs. */
  readonly before?: (holders: TokenHolders) => Promise<unknown>;
  readonly happen: (holders: TokenHolders) => Promise<unknown>;
  /** True if another transaction commits first. The rows of that transaction stay when the change fails. */
  readonly follows?: true;
}

const ENDED = 'session_revoked';
const STALE = 'token_stale';
const PHRASE = 'gravel umbrella tuesday';
const MEMBER_ENDED: Refused = { member: ENDED, second: ENDED };
const MEMBER_STALE: Refused = { member: STALE, second: STALE };
const ALL_HERE: Refused = Object.fromEntries(
  (['member', 'second', 'colleague', 'owner', 'both', 'client'] as const).map((holder) => [
    holder,
    'organization_suspended',
  ]),
);
const EVERYBODY: readonly Holder[] = ['member', 'second', 'colleague', 'owner', 'both', 'there', 'outsider'];
const all = (code: string, holders: readonly Holder[] = EVERYBODY): Refused =>
  Object.fromEntries(holders.map((holder) => [holder, code]));

const byOwner = ({ owner }: TokenHolders) => ({ token: owner.accessToken });
const form = ({ id, secret }: { readonly id: string; readonly secret: string }, token: string) => ({
  headers: {
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  },
  raw: `token=${token}`,
});
const atRoot = ({ api }: TokenHolders) => api.url;
async function revokeByOAuth(holders: TokenHolders, token: string): Promise<void> {
  const { headers, raw } = form(holders.client, token);
  const reply = await fetch(`${atRoot(holders)}/oauth/revoke`, { method: 'POST', headers, body: raw });
  if (reply.status !== 200) throw new Error(`revoking answered ${reply.status}`);
}

/** Invites the address, by default that of the outsider. Returns the token that the mail would have contained. */
export async function invite({ database, here, outsider }: TokenHolders, email = outsider.email): Promise<string> {
  return (await seedInvitation(database, here.id, { email, role: 'viewer' })).token;
}
const tokens = new WeakMap<TokenHolders, string>();
const invited = async (holders: TokenHolders) => tokens.set(holders, await invite(holders));
const tokenOf = (holders: TokenHolders) => tokens.get(holders) ?? '';

/** Creates the token that a mail to the member about the address would contain, and stores it for `tokenOf`. */
async function mailed(holders: TokenHolders, purpose: Purpose, email: string): Promise<void> {
  const { userId, sessionId } = holders.member;
  const asked = { userId, purpose, address: { address: email, key: email }, sessionId };
  const { parts } = holders.app;
  tokens.set(holders, (await parts.db.system((tx) => createOneTime(parts, tx, asked))).token);
}

const asMember = ({ api, member: { accessToken: token } }: TokenHolders, path: string, body: object) =>
  api.post(path, body, { token });

/** The keys are titles of tests. */
export const CAUSES: Readonly<Record<string, Cause>> = {
  'a logout by access token': {
    ...{ event: 'session.ended', refused: { member: ENDED } },
    happen: ({ api, member }) => api.post('/auth/logout', undefined, { token: member.accessToken }),
  },
  'a logout by refresh token': {
    ...{ event: 'session.ended', refused: { member: ENDED } },
    happen: ({ api, member: { refreshToken } }) => api.post('/auth/logout', { refreshToken }),
  },
  'a session that its user ends': {
    ...{ event: 'session.ended', refused: { second: ENDED } },
    happen: ({ api, member, second }) => api.delete(`/me/sessions/${second.sessionId}`, { token: member.accessToken }),
  },
  'all other sessions, which their user ends': {
    ...{ event: 'session.ended', refused: { second: ENDED } },
    happen: ({ api, member }) => api.delete('/me/sessions', { token: member.accessToken }),
  },
  'a session that an administrator ends': {
    ...{ event: 'session.ended', refused: { second: ENDED } },
    happen: (holders) =>
      holders.api.delete(`/users/${holders.member.userId}/sessions/${holders.second.sessionId}`, byOwner(holders)),
  },
  'all sessions of a member that an administrator ends': {
    ...{ event: 'session.ended', refused: { both: ENDED } },
    happen: (holders) => holders.api.delete(`/users/${holders.both.userId}/sessions`, byOwner(holders)),
  },
  'a session that an operator ends': {
    ...{ event: 'session.ended', refused: { member: ENDED } },
    happen: ({ app, member }) => endAnySession(app.parts, member.sessionId),
  },
  'all sessions of a user that an operator ends': {
    ...{ event: 'session.ended', refused: MEMBER_ENDED },
    happen: ({ app, member }) => endUserSessions(app.parts, member.userId),
  },
  'all sessions of everybody that an operator ends': {
    ...{ event: 'session.ended', refused: all(STALE) },
    happen: ({ app }) => endAllSessions(app.parts),
  },
  'a refresh token that two parties hold': {
    ...{ event: 'session.reuse_detected', refused: { member: ENDED } },
    async before({ api, database, member: { refreshToken, sessionId } }) {
      const next = await api.post('/auth/refresh', { refreshToken });
      await api.post('/auth/refresh', { refreshToken: next.body.data.refreshToken });
      await ageRotation(database, sessionId);
    },
    happen: ({ api, member: { refreshToken } }) => api.post('/auth/refresh', { refreshToken }),
  },
  'a sign-in beyond the limit of sessions': {
    ...{ event: 'session.ended', refused: { member: ENDED }, follows: true },
    happen: ({ api, member, here }) => signInPerson(api, member, here.slug),
  },
  'a user’s token that a service client revokes': {
    ...{ event: 'session.ended', refused: { member: ENDED } },
    happen: (holders) => revokeByOAuth(holders, holders.member.accessToken),
  },
  'a password that an operator sets': {
    ...{ event: 'user.password_set', refused: MEMBER_ENDED },
    happen: ({ app, member: { userId: id, email } }) => setPassword(app.parts, { id, email }, PHRASE),
  },
  'a password that its user changes': {
    // The session that changes the password goes on with a new token.
    ...{ event: 'user.password_changed', refused: { member: STALE, second: ENDED } },
    happen: (holders) => asMember(holders, '/me/password', { currentPassword: SEEDED_PASSWORD, newPassword: PHRASE }),
  },
  'a password that is set with the link of a mail': {
    ...{ event: 'user.password_reset', refused: MEMBER_ENDED },
    before: (holders) => mailed(holders, 'reset_password', holders.member.email),
    happen: (holders) => holders.api.post('/auth/reset-password', { token: tokenOf(holders), password: PHRASE }),
  },
  'another e-mail that its owner proves': {
    // The session that confirms the change goes on with a new token.
    ...{ event: 'user.email_changed', refused: { member: STALE, second: ENDED } },
    before: (holders) => mailed(holders, 'change_email', `other-${holders.member.email}`),
    happen: (holders) => asMember(holders, '/auth/confirm-email-change', { token: tokenOf(holders) }),
  },
  'a former e-mail that its owner takes back': {
    ...{ event: 'user.email_reverted', refused: MEMBER_ENDED },
    before: (holders) => mailed(holders, 'revert_email', `former-${holders.member.email}`),
    happen: (holders) => holders.api.post('/auth/revert-email', { token: tokenOf(holders) }),
  },
  'an account that is disabled': {
    ...{ event: 'user.disabled', refused: MEMBER_ENDED },
    happen: ({ app, member }) => disableAccount(app.parts, member.userId),
  },
  'an account that is closed': {
    ...{ event: 'user.closed', refused: { outsider: ENDED } },
    happen: ({ app, outsider }) => closeForOperator(app.parts, outsider.userId, []),
  },
  'an account that is enabled, with what was opened while it was disabled': {
    ...{ event: 'user.enabled', refused: MEMBER_ENDED },
    before: ({ database, member }) =>
      database.query(`UPDATE users SET status = 'disabled' WHERE id = $1`, [member.userId]),
    happen: ({ app, member }) => enableAccount(app.parts, member.userId),
  },
  'an account that the owner of the mailbox takes over': {
    ...{ event: 'user.claimed', refused: { outsider: ENDED } },
    async before(holders) {
      await holders.database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [
        holders.outsider.userId,
      ]);
      await invited(holders);
    },
    happen: (holders) =>
      holders.api.post('/invitations/accept', {
        token: tokenOf(holders),
        ...{ name: 'The owner', password: 'gravel umbrella tuesday' },
      }),
  },
  'an invitation that a user accepts who has not proven the mailbox': {
    ...{ event: 'user.email_verified', refused: { outsider: STALE } },
    async before(holders) {
      await holders.database.query('UPDATE users SET email_verified_at = NULL WHERE id = $1', [
        holders.outsider.userId,
      ]);
      await invited(holders);
    },
    happen: (holders) =>
      holders.api.post('/invitations/accept', { token: tokenOf(holders) }, { token: holders.outsider.accessToken }),
  },
  'a member whose roles change': {
    ...{ event: 'member.roles_changed', refused: MEMBER_STALE },
    happen: (holders) =>
      holders.api.patch(`/users/${holders.member.userId}`, { roles: [{ role: 'viewer' }] }, byOwner(holders)),
  },
  'roles that an operator gives a member': {
    ...{ event: 'member.roles_changed', refused: { both: STALE } },
    happen: ({ app, here, both: { userId: id, email } }) =>
      app.parts.db.system((tx) =>
        grantRoles(app.parts, tx, { id, email }, { organizationId: here.id, roles: ['agent'] }),
      ),
  },
  'a member who is suspended': {
    ...{ event: 'member.suspended', refused: MEMBER_STALE },
    happen: (holders) =>
      holders.api.patch(`/users/${holders.member.userId}`, { status: 'suspended' }, byOwner(holders)),
  },
  'a member who is active again': {
    ...{ event: 'member.activated', refused: MEMBER_STALE },
    before: ({ database, member }) =>
      database.query(`UPDATE memberships SET status = 'suspended' WHERE user_id = $1`, [member.userId]),
    happen: (holders) => holders.api.patch(`/users/${holders.member.userId}`, { status: 'active' }, byOwner(holders)),
  },
  'a member who is removed': {
    ...{ event: 'member.removed', refused: { both: STALE } },
    happen: (holders) => holders.api.delete(`/users/${holders.both.userId}`, byOwner(holders)),
  },
  'a member who leaves': {
    ...{ event: 'member.left', refused: { both: STALE } },
    happen: ({ api, both, here }) => api.delete(`/me/organizations/${here.id}`, { token: both.accessToken }),
  },
  'a role that is edited': {
    ...{ event: 'role.changed', refused: MEMBER_STALE },
    happen: (holders) => holders.api.patch(`/roles/${holders.role}`, { permissions: ['deals:read'] }, byOwner(holders)),
  },
  'a preset that is applied': {
    ...{ event: 'roles.preset_applied', refused: { both: STALE, there: STALE } },
    happen: ({ app }) => applyPreset(app.parts, crmWith({ viewer: { permissions: ['contacts:read'] } })),
  },
  'a preset that is applied again': {
    ...{ event: 'roles.preset_applied', refused: { both: STALE, there: STALE } },
    happen: ({ app }) => applyPreset(app.parts, CRM),
  },
  'an organization that is suspended': {
    ...{ event: 'organization.suspended', refused: ALL_HERE },
    happen: ({ app, here }) => suspendOrganization(app.parts, here.id, null),
  },
  'an organization that is active again, whose tokens are good once more': {
    ...{ event: 'organization.activated', refused: {} },
    before: ({ app, here }) => suspendOrganization(app.parts, here.id, null),
    happen: ({ app, here }) => activateOrganization(app.parts, here.id, null),
  },
  'an organization that is deleted': {
    ...{ event: 'organization.deleted', refused: ALL_HERE },
    happen: (holders) => holders.api.delete('/organizations/current', byOwner(holders)),
  },
  'a client that is disabled': {
    ...{ event: 'client.disabled', refused: { client: STALE } },
    happen: (holders) => holders.api.patch(`/clients/${holders.client.id}`, { status: 'disabled' }, byOwner(holders)),
  },
  'a client whose permissions change': {
    ...{ event: 'client.changed', refused: { client: STALE } },
    happen: (holders) =>
      holders.api.patch(`/clients/${holders.client.id}`, { permissions: ['users:read'] }, byOwner(holders)),
  },
  'a client that is deleted': {
    ...{ event: 'client.deleted', refused: { client: STALE } },
    happen: (holders) => holders.api.delete(`/clients/${holders.client.id}`, byOwner(holders)),
  },
  'a client’s secret that is rotated': {
    ...{ event: 'client.secret_rotated', refused: { client: STALE } },
    happen: (holders) => holders.api.post(`/clients/${holders.client.id}/secret`, {}, byOwner(holders)),
  },
  'a client’s former secrets that are ended': {
    ...{ event: 'client.former_secrets_ended', refused: { client: STALE } },
    before: ({ database, client, here }) =>
      database.query(
        `INSERT INTO client_secrets (id, organization_id, owner_key, client_id, hash, expires_at)
         VALUES (gen_random_uuid(), $1, $1, $2, $3, now() + interval '1 day')`,
        [here.id, client.id, randomBytes(32)],
      ),
    happen: (holders) => holders.api.delete(`/clients/${holders.client.id}/secret`, byOwner(holders)),
  },
  'a client’s own token that it revokes': {
    ...{ event: 'client.tokens_revoked', refused: { client: STALE } },
    happen: (holders) => revokeByOAuth(holders, holders.client.token),
  },
  'a backup that was restored': {
    ...{ event: 'installation.recovered', refused: all(ENDED, [...EVERYBODY, 'client', 'otherClient', 'reader']) },
    happen: ({ app }) => endEverything(app.parts, { restoredAt: new Date() }),
  },
  // Comes last: the services continue with their other key.
  'a signing key that is revoked': {
    ...{ event: 'key.revoked', refused: all('invalid_token', [...EVERYBODY, 'client', 'otherClient', 'reader']) },
    happen: ({ app, member }) => revokeSigningKey(app.parts, String(partsOf(member.accessToken).header.kid)),
  },
};
