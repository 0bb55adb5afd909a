// The dependencies of each feature. Each feature gets one object, whose type the feature itself declares. When a wing
// needs a function of a later wing, the function is passed in here.
import type { CheckDeps } from '../access/checks/check.ts';
import { removeClientsOf } from '../access/clients/change-client.ts';
import type { ClientDeps } from '../access/clients/run-change.ts';
import type { ForwardDeps } from '../access/forward-auth/forward.ts';
import type { OAuthRouteDeps } from '../access/oauth/routes.ts';
import { createClientThrottle } from '../access/oauth/throttle.ts';
import { endAdministration, isPlatformAdministrator } from '../admin/administrators/store.ts';
import type { AdministrationDeps } from '../admin/organizations/organizations.ts';
import type { Config } from '../base/config/config.ts';
import { problem } from '../base/errors/problem.ts';
import type { HealthDeps } from '../base/health/routes.ts';
import type { Guard } from '../base/http/mount.ts';
import type { FeedRouteDeps } from '../credentials/feed/routes.ts';
import type { KeyRouteDeps } from '../credentials/keys/routes.ts';
import type { InvitationDeps } from '../directory/invitations/invitations.ts';
import type { MemberChangeDeps } from '../directory/members/event.ts';
import type { OrganizationRouteDeps } from '../directory/organizations/routes.ts';
import type { PermissionRouteDeps } from '../directory/permissions/routes.ts';
import type { ProfileDeps } from '../directory/profile/profile.ts';
import { lockAndAuthorize } from '../directory/rights/lock-and-authorize.ts';
import type { RoleDeps } from '../directory/roles/roles.ts';
import type { Caller, Principal } from '../protocol/caller.ts';
import type { JoinDeps } from '../sign-in/accept-invitation/accept-invitation.ts';
import type { AcceptRouteDeps } from '../sign-in/accept-invitation/routes.ts';
import type { AccountPageDeps } from '../sign-in/account/pages.ts';
import { authenticateBrowser } from '../sign-in/browser/authenticate.ts';
import type { BrowserDeps } from '../sign-in/browser/cookie.ts';
import { hasSameSite, returnTo } from '../sign-in/browser/return-to.ts';
import type { ForgottenPasswordDeps } from '../sign-in/forgotten-password/routes.ts';
import type { LeavingRouteDeps } from '../sign-in/leaving/routes.ts';
import { createRequestCount, type NetworkBudget, type RequestCount } from '../sign-in/mailbox-proof/request-count.ts';
import type { MemberSessionDeps } from '../sign-in/member-sessions/member-sessions.ts';
import type { OwnEmailDeps } from '../sign-in/own-email/routes.ts';
import type { ChangePasswordDeps } from '../sign-in/own-password/change-password.ts';
import type { PasswordRouteDeps } from '../sign-in/password/routes.ts';
import { createLoginThrottle } from '../sign-in/password/throttle.ts';
import type { ReauthenticateDeps } from '../sign-in/reauthentication/reauthenticate.ts';
import { identify } from '../sign-in/sessions/authenticate.ts';
import { actFor } from '../sign-in/sessions/choose-organization.ts';
import { cookieSettings } from '../sign-in/sessions/cookie.ts';
import type { SignInDeps } from '../sign-in/sessions/open-session.ts';
import type { RefreshDeps } from '../sign-in/sessions/refresh.ts';
import type { SessionRouteDeps } from '../sign-in/sessions/routes.ts';
import type { VerifyRouteDeps } from '../sign-in/verify-email/routes.ts';
import type { Parts } from './parts.ts';

export interface Features {
  readonly password: PasswordRouteDeps;
  readonly forgottenPassword: ForgottenPasswordDeps;
  readonly browser: BrowserDeps;
  readonly account: AccountPageDeps;
  readonly verifyEmail: VerifyRouteDeps;
  readonly reauthentication: ReauthenticateDeps;
  readonly ownPassword: ChangePasswordDeps;
  readonly ownEmail: OwnEmailDeps;
  readonly leaving: LeavingRouteDeps;
  readonly sessions: SessionRouteDeps;
  readonly profile: ProfileDeps;
  readonly organizations: OrganizationRouteDeps;
  readonly roles: RoleDeps;
  readonly permissions: PermissionRouteDeps;
  readonly administration: AdministrationDeps;
  readonly members: MemberChangeDeps;
  readonly memberSessions: MemberSessionDeps;
  readonly checks: CheckDeps;
  readonly forwardAuth: ForwardDeps;
  readonly invitations: InvitationDeps;
  readonly acceptInvitation: AcceptRouteDeps;
  readonly clients: ClientDeps;
  readonly oauth: OAuthRouteDeps;
  readonly feed: FeedRouteDeps;
  readonly keys: KeyRouteDeps;
  readonly health: HealthDeps;
}

/**
 * The maximum number of mails of one kind, for a new password or to register, that one network may cause to one
 * address. It is below ADDRESS_BUDGET in an hour and in a day, so that it leaves mails for the owner of the address.
 */
const MAILS_OF_NETWORK: NetworkBudget = { perHour: 2, perDay: 6 };
/** The maximum number of failed authentications of one service client from one network in a minute. */
const CLIENT_FAILURES_MAX = 10;

export function composeFeatures(config: Config, parts: Parts, health: HealthDeps): Features {
  const { db, log, clock, random, revocations, publish, access, issuer, audience, audiences } = parts;
  const changing = { db, clock, random, publish };
  const signing = signingOf(parts);
  const refreshing: RefreshDeps = {
    ...signing,
    db,
    publish,
    refreshTtlSeconds: config.REFRESH_TOKEN_TTL,
    graceSeconds: config.REFRESH_REUSE_GRACE,
    revocations,
  };
  const joining = joiningOf(config, parts);
  const creating = { clock, random, trialDays: parts.trialDays, trialLimits: parts.trialLimits };
  const cookie = cookieSettings(config.PUBLIC_URL, config.CORS_ORIGINS);
  const failuresMax = (max: number) => (config.RATE_LIMIT_ENABLED ? max : Number.POSITIVE_INFINITY);
  const throttle = createLoginThrottle({ clock, failuresMax: failuresMax(config.LOGIN_FAILURES_MAX) });
  return {
    password: {
      ...joining,
      ...creating,
      throttle,
      sessionsPerUserMax: config.SESSIONS_PER_USER_MAX,
      registrationMode: config.REGISTRATION_MODE,
      registrations: requestCountOf(config, parts),
      ...{ cookie, log },
    },
    forgottenPassword: { ...joining, throttle, requests: requestCountOf(config, parts) },
    browser: {
      ...{ ...refreshing, cookie, kit: parts.kit, seenKeys: parts.seenKeys },
      sessionMaxAgeSeconds: config.SESSION_MAX_AGE,
      sharesRefresh: hasSameSite(config.PUBLIC_URL, config.CORS_ORIGINS),
      returnTo: returnTo([...config.CORS_ORIGINS, config.PUBLIC_URL, config.PUBLIC_APP_URL ?? config.PUBLIC_URL]),
    },
    account: { ...refreshing, ...changing },
    verifyEmail: {
      ...{ ...joining, ...creating, throttle, authenticateUser: authenticatingUser(parts) },
      registrationMode: config.REGISTRATION_MODE,
    },
    ...ownAccountOf(parts, { signing, throttle, cookie }),
    sessions: { ...refreshing, cookie, identify: (authorization) => identify(parts, authorization) },
    profile: { db },
    organizations: { ...changing, ...creating, organizationsPerUserMax: config.ORGANIZATIONS_PER_USER_MAX },
    roles: { ...changing, lockAndAuthorize },
    permissions: { db },
    administration: changing,
    members: changing,
    memberSessions: { db, publish },
    checks: { access },
    forwardAuth: { revocations, holds: access.holds },
    invitations: {
      db,
      clock,
      random,
      invitationTtlSeconds: config.INVITATION_TTL,
      mailsPerDayMax: config.INVITATION_MAILS_PER_DAY,
      nudgeOutbox: parts.outbox.nudge,
    },
    acceptInvitation: {
      ...refreshing,
      ...joining,
      cookie,
      authenticateUser: authenticatingUser(parts),
    },
    clients: { ...changing, issuer, audience, audiences },
    oauth: {
      ...refreshing,
      audiences,
      revocations,
      clientThrottle: createClientThrottle({ clock, failuresMax: failuresMax(CLIENT_FAILURES_MAX) }),
    },
    feed: { ...signing, feed: parts.feed },
    keys: { accessKeys: parts.accessKeys, clock: parts.machineClock },
    health,
  };
}

function joiningOf(config: Config, parts: Parts): JoinDeps {
  return {
    ...signingOf(parts),
    db: parts.db,
    publish: parts.publish,
    refreshTtlSeconds: config.REFRESH_TOKEN_TTL,
    sessionMaxAgeSeconds: config.SESSION_MAX_AGE,
    passwords: parts.passwords,
    passwordPolicy: parts.passwordPolicy,
    removeClientsOf: (tx, userId) => removeClientsOf(parts, tx, userId),
  };
}

function requestCountOf(config: Config, { clock }: Parts): RequestCount {
  return createRequestCount({ clock, budget: config.RATE_LIMIT_ENABLED ? MAILS_OF_NETWORK : null });
}

function authenticatingUser(parts: Parts): VerifyRouteDeps['authenticateUser'] {
  return async (...asked) => userOf(await parts.authenticate(...asked));
}

/** The dependencies of the features with which signed-in users manage their own accounts. */
function ownAccountOf(
  parts: Parts,
  { signing, throttle, cookie }: Pick<LeavingRouteDeps, 'throttle' | 'cookie'> & { readonly signing: SignInDeps },
): Pick<Features, 'reauthentication' | 'ownPassword' | 'ownEmail' | 'leaving'> {
  const { db, clock, random, publish, passwords, passwordPolicy, outbox } = parts;
  const reauthentication = { ...signing, db, passwords, throttle };
  const closing = { db, clock, random, publish, passwords, nudgeOutbox: outbox.nudge, endAdministration };
  return {
    reauthentication,
    ownPassword: { ...reauthentication, publish, passwordPolicy, nudgeOutbox: outbox.nudge },
    ownEmail: { ...reauthentication, publish, nudgeOutbox: outbox.nudge },
    leaving: { ...closing, throttle, cookie },
  };
}

/** The functions by which the server authenticates and authorizes requests, and recognizes repeated ones. */
export function composeGuard(config: Config, parts: Parts): Omit<Guard, 'draw'> {
  const { db, revocations } = parts;
  const [idleSeconds, graceSeconds] = [config.REFRESH_TOKEN_TTL, config.REFRESH_REUSE_GRACE];
  const browsing = { db, revocations, idleSeconds, graceSeconds };
  return {
    authenticate: parts.authenticate,
    actFor: (caller, references) => actFor(parts, caller, references),
    holds: parts.access.holds,
    idempotency: parts.idempotency,
    pages: {
      kit: parts.kit,
      seenKeys: parts.seenKeys,
      authenticateBrowser: (key) => authenticateBrowser(browsing, key),
    },
    isPlatformAdministrator: (caller) => isPlatformAdministrator(parts.db.systemReader(), caller.id),
  };
}

function signingOf(parts: Parts): SignInDeps {
  const { accessKeys, refreshKeys, clock, random, issuer, audience, accessTtlSeconds } = parts;
  return { accessKeys, refreshKeys, clock, random, issuer, audience, accessTtlSeconds };
}

function userOf(principal: Principal): Caller {
  if (principal.kind !== 'user') throw problem('user_required');
  return principal;
}
