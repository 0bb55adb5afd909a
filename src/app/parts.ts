// Opens the parts that features share: database, keys, revocations and others. features.ts chooses the parts of each
// feature. The key rings watch their files, and the feed sends heartbeats, from the moment they are opened. loops.ts
// starts the other background work.
import type { FastifyBaseLogger } from 'fastify';
import { type MembershipAccess, openMembershipAccess } from '../access/checks/membership-access.ts';
import { suspendedMail } from '../admin/organizations/suspended-mail.ts';
import type { Config } from '../base/config/config.ts';
import { accessKeyRetention, hashingOf, redisOf, trialOf, wordsOf } from '../base/config/derived.ts';
import { type Database, type DatabaseBounds, openDatabase } from '../base/database/db.ts';
import type { DatabaseUrls } from '../base/database/open.ts';
import type { Authenticate } from '../base/http/mount.ts';
import { createSeenKeys, type SeenKeys } from '../base/http/page-admission.ts';
import { wideNetworkOf } from '../base/http/rate-limit.ts';
import { type Idempotency, openIdempotency } from '../base/idempotency/idempotency.ts';
import { openMail } from '../base/mail/smtp.ts';
import { openMailKit } from '../base/mail-kit/kit.ts';
import type { MailKind } from '../base/outbox/kinds.ts';
import { type Outbox, openOutbox } from '../base/outbox/outbox.ts';
import { type Kit, openKit } from '../base/page-kit/kit.ts';
import type { Clock } from '../base/platform/clock.ts';
import type { Random } from '../base/platform/random.ts';
import { createPersonal } from '../base/secrets/personal.ts';
import { openPersonalPhase, type PersonalPhase } from '../credentials/data-keys/phase.ts';
import { type DataKeyRing, openDataKeys } from '../credentials/data-keys/ring.ts';
import { type Feed, openFeed } from '../credentials/feed/feed.ts';
import { derivedSecrets } from '../credentials/keys/derived-secret.ts';
import { type KeyRing, keepApart, openKeyRing } from '../credentials/keys/ring.ts';
import { createPasswords, type Passwords } from '../credentials/passwords/hashing.ts';
import { openPasswordPolicy, type PasswordPolicy } from '../credentials/passwords/policy.ts';
import { openStrength, type Strength } from '../credentials/passwords/strength.ts';
import { trustedClock } from '../credentials/revocations/clock-watch.ts';
import { openRevocations, type RevocationLimits, type Revocations } from '../credentials/revocations/revocations.ts';
import { revokeSigningKey } from '../credentials/revocations/revoke-key.ts';
import type { AccessTokenDeps, VerifiedAccessToken } from '../credentials/tokens/access.ts';
import type { RefreshTokenDeps } from '../credentials/tokens/refresh.ts';
import { createVerifiedCache, type VerifiedCache } from '../credentials/tokens/verified-cache.ts';
import { invitationMail } from '../directory/invitations/mail.ts';
import type { InsertOrganizationDeps } from '../directory/organizations/insert-organization.ts';
import { repeatGuard } from '../directory/rights/repeats.ts';
import type { Revocation } from '../protocol/revocation.ts';
import { resetMail } from '../sign-in/forgotten-password/mail.ts';
import { accountClosedMail } from '../sign-in/leaving/mail.ts';
import { verifyMail } from '../sign-in/mailbox-proof/mail.ts';
import { newDeviceMail } from '../sign-in/notices/new-device.ts';
import { passwordChangedMail } from '../sign-in/notices/password-changed.ts';
import { emailChangeMails } from '../sign-in/own-email/mail.ts';
import { type RegistrationMailDeps, registrationMail } from '../sign-in/registration/mail.ts';
import { authenticate } from '../sign-in/sessions/authenticate.ts';

export interface PartsOptions {
  readonly config: Config;
  readonly urls: DatabaseUrls;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: FastifyBaseLogger;
  /** How passwords are hashed. By default, the configuration decides. */
  readonly passwords?: Passwords;
  /** How the strength of passwords is estimated. By default, a separate thread does this. */
  readonly strength?: Strength;
  /** Replaces the bounds of the service for PostgreSQL. */
  readonly databaseBounds?: DatabaseBounds;
  /** Replaces the limits of the service for its clock and for pauses of the process. */
  readonly revocationLimits?: RevocationLimits;
}

export interface Parts extends AccessTokenDeps, RefreshTokenDeps, InsertOrganizationDeps {
  /** The audiences from which organizations may choose for their service clients. */
  readonly audiences: readonly string[];
  readonly db: Database;
  readonly log: FastifyBaseLogger;
  /**
   * The clock of this machine. `clock` gives the same time, but raises clock_skewed while the clock of this machine
   * cannot be trusted.
   */
  readonly machineClock: Clock;
  readonly revocations: Revocations;
  /** Makes this process refuse at once what a commit has revoked, and the other processes soon after. Never raises. */
  readonly publish: (changes: readonly Revocation[]) => unknown;
  /** The keys of personal data. */
  readonly dataKeys: DataKeyRing;
  readonly personalPhase: PersonalPhase;
  readonly verified: VerifiedCache<VerifiedAccessToken>;
  readonly authenticate: Authenticate;
  readonly access: MembershipAccess;
  readonly feed: Feed;
  readonly outbox: Outbox;
  readonly kit: Kit;
  readonly seenKeys: SeenKeys;
  readonly idempotency: Idempotency;
  readonly passwords: Passwords;
  readonly passwordPolicy: PasswordPolicy;
}

/** Has room for about 18,000 tokens of members with few permissions. */
const VERIFIED_BYTES_MAX = 16 * 1024 * 1024;

/**
 * Opens the parts. Raises when the service cannot start, for example because a key is missing, or because access tokens
 * and refresh tokens would have the same key.
 */
export async function openParts(options: PartsOptions): Promise<Parts> {
  const { config, clock: machineClock, random, log, databaseBounds: bounds, revocationLimits: limits } = options;
  const dataKeys = await openUsableDataKeys(options);
  const kit = openKit(config, random);
  const opening = { personal: createPersonal(dataKeys, random), poolSize: config.DATABASE_POOL_SIZE, log };
  const db = openDatabase({ ...options.urls, ...opening, ...(bounds && { bounds }) });
  const revocations = openRevocations({
    ...{ db, log, redis: redisOf(config), clock: machineClock },
    ...(limits && { limits }),
  });
  const clock = trustedClock(machineClock, revocations.isClockTrusted);
  const revoking = { db, random, clock: machineClock, publish: revocations.publish };
  const { accessKeys, refreshKeys } = await openRings(options, (kid) => revokeSigningKey(revoking, kid));
  revocations.onRevocation((revocation) => {
    if (revocation.kind !== 'key') return;
    for (const ring of [accessKeys, refreshKeys]) ring.revoke(revocation.kid);
  });
  const tokens = {
    accessKeys,
    refreshKeys,
    clock,
    random,
    issuer: config.PUBLIC_URL,
    audience: config.TOKEN_AUDIENCE,
    audiences: config.TOKEN_AUDIENCES,
    accessTtlSeconds: config.ACCESS_TOKEN_TTL,
  };
  const verified = createVerifiedCache<VerifiedAccessToken>({
    bytesMax: VERIFIED_BYTES_MAX,
    isOver: ({ expiresAt }) => expiresAt <= clock.now().getTime() / 1000,
  });
  accessKeys.onChange(() => verified.clear()); // a token of a removed key must not stay in the cache
  const verifying = { ...tokens, verified, revocations };
  const access = openMembershipAccess({ db, revocations });
  revocations.onRevocation(({ kind }) => kind === 'everything' && access.forget()); // after a backup has been restored
  const mailKit = openMailKit({ ...kit, urls: config });
  const isOpen = config.REGISTRATION_MODE !== 'closed';
  const kinds = mailKinds({ random, clock: machineClock, mailKit, isOpen });
  const mail = { url: config.SMTP_URL, from: config.MAIL_FROM, production: config.production, log };
  return {
    ...tokens,
    ...trialOf(config),
    db,
    dataKeys,
    personalPhase: openPersonalPhase({ db, keys: dataKeys, log }),
    log,
    machineClock,
    revocations,
    publish: revocations.publish,
    verified,
    authenticate: (...asked) => authenticate(verifying, ...asked),
    access,
    feed: openFeed({
      db,
      log,
      clock: machineClock,
      revocations,
      streamsMax: config.FEED_STREAMS_MAX,
      streamsPerClientMax: config.FEED_STREAMS_PER_CLIENT_MAX,
    }),
    outbox: openOutbox({ db, log, kinds, send: openMail(mail) }),
    kit,
    seenKeys: createSeenKeys(),
    idempotency: openIdempotency({
      db,
      random,
      secrets: derivedSecrets(refreshKeys, clock, 'idempotency'),
      repeatGuard,
      keysPerCallerMax: config.IDEMPOTENCY_KEYS_MAX,
    }),
    passwords: options.passwords ?? createPasswords(hashingOf(config)),
    passwordPolicy: openPasswordPolicy({
      minLength: config.PASSWORD_MIN_LENGTH,
      words: wordsOf(config),
      strength: options.strength ?? openStrength(),
    }),
  };
}

async function openUsableDataKeys({ config, clock, log }: PartsOptions): Promise<DataKeyRing> {
  const { KEYS_DIR, KEYS_PASSPHRASE: passphrase } = config;
  const keys = await openDataKeys({ directory: `${KEYS_DIR}/data`, clock, log, passphrase });
  keys.assertUsable();
  keys.watch();
  return keys;
}

async function openRings(
  { config, clock, log }: PartsOptions,
  revoke: (kid: string) => Promise<boolean>,
): Promise<Record<'accessKeys' | 'refreshKeys', KeyRing>> {
  const common = { clock, log, passphrase: config.KEYS_PASSPHRASE };
  const filesOf = (use: string, file: string | undefined) =>
    file ? { file } : { directory: `${config.KEYS_DIR}/${use}` };
  const [accessKeys, refreshKeys] = await Promise.all([
    openKeyRing({
      ...common,
      ...filesOf('access', config.JWT_ACCESS_PRIVATE_KEY_PATH),
      use: 'access',
      retentionSeconds: accessKeyRetention(config),
      // Refresh tokens are checked by the service alone, and each replica follows its own files. A refresh key that is
      // lost by mistake must not sign everybody out, so only an operator's command revokes a refresh key for good.
      async onGone({ kid, file }) {
        if (await revoke(kid)) log.warn({ kid, file }, 'signing key revoked for good, because its file was deleted');
      },
    }),
    openKeyRing({
      ...common,
      ...filesOf('refresh', config.JWT_REFRESH_PRIVATE_KEY_PATH),
      use: 'refresh',
      retentionSeconds: config.REFRESH_TOKEN_TTL,
    }),
  ]);
  keepApart(accessKeys, refreshKeys);
  return { accessKeys, refreshKeys };
}

/** Every kind of mail that the outbox sends. */
function mailKinds({ mailKit, isOpen, ...deps }: RegistrationMailDeps): MailKind[] {
  return [
    invitationMail({ ...deps, mailKit }),
    verifyMail({ ...deps, mailKit }),
    registrationMail({ ...deps, mailKit, isOpen }),
    resetMail({ ...deps, mailKit }),
    passwordChangedMail({ mailKit, networkOf: wideNetworkOf }),
    newDeviceMail({ mailKit, networkOf: wideNetworkOf }),
    suspendedMail({ mailKit }),
    accountClosedMail({ mailKit }),
    ...emailChangeMails({ ...deps, mailKit }),
  ];
}
