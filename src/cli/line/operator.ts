// Opens what an operator's command needs, which is the configuration, the database, the keys of personal data, and the
// dependencies of the operations. No signing key is opened, because no operation of a command creates a token.
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Config, readConfig } from '../../base/config/config.ts';
import { hashingOf, trialOf, wordsOf } from '../../base/config/derived.ts';
import { type Database, openDatabase } from '../../base/database/db.ts';
import { explainLoginError } from '../../base/database/examine.ts';
import { type DatabaseUrls, prepareDatabase } from '../../base/database/open.ts';
import { APP_ROLE, roleUrl, SYSTEM_ROLE } from '../../base/database/roles.ts';
import { startEmbedded } from '../../base/embedded/embedded.ts';
import { findRunning } from '../../base/embedded/running.ts';
import { systemClock } from '../../base/platform/clock.ts';
import { type Log, openLog } from '../../base/platform/log.ts';
import { systemRandom } from '../../base/platform/random.ts';
import { DataKeysRefused } from '../../base/secrets/data-keys.ts';
import { createPersonal } from '../../base/secrets/personal.ts';
import { ensureDevelopmentDataKeys } from '../../credentials/data-keys/development.ts';
import { readPersonalPhase } from '../../credentials/data-keys/phase.ts';
import { type DataKeyRing, openDataKeys } from '../../credentials/data-keys/ring.ts';
import { createPasswords } from '../../credentials/passwords/hashing.ts';
import { openPasswordPolicy, type PasswordPolicy } from '../../credentials/passwords/policy.ts';
import { openStrength } from '../../credentials/passwords/strength.ts';
import type { Invocation } from './invocation.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const MIGRATIONS = join(ROOT, 'prisma', 'migrations');
const POOL_SIZE = 2;
/** An operator waits longer than a request, and in a new process the dictionaries are not loaded yet. */
const STRENGTH_MS_MAX = 60_000;

/** The database of the configuration. `release` stops the database when it was started for this command. */
export interface ReachedDatabase {
  /** The address with the role that owns the tables; undefined when only the two restricted roles are configured. */
  readonly ownerUrl: string | undefined;
  readonly urls: DatabaseUrls;
  release(): Promise<void>;
}

/** Reads the configuration from the environment. Raises ConfigRefused. */
export function configuration({ env }: Invocation): Config {
  return readConfig(env);
}

/**
 * Returns the path of a file that the caller named. npm starts the program in another folder and sets INIT_CWD to the
 * caller's folder.
 */
export function fileOf({ env }: Invocation, named: string): string {
  return resolve(env.INIT_CWD ?? '.', named);
}

/** Returns the folder of the embedded database. Returns null when the configuration names another database. */
export function embeddedDirectory(config: Config): string | null {
  return config.DATABASE_URL || config.DATABASE_APP_URL ? null : resolve(config.DATA_DIR, 'postgres');
}

/**
 * Finds the configured database, or the embedded one. While the service runs, the command shares the embedded database
 * with it. Otherwise the embedded database is started here, and `release` stops it. Raises EmbeddedRefused.
 */
export async function reachDatabase(config: Config): Promise<ReachedDatabase> {
  const directory = embeddedDirectory(config);
  if (directory === null) {
    const { DATABASE_URL: ownerUrl, DATABASE_APP_URL: app, DATABASE_SYSTEM_URL: system } = config;
    return { ownerUrl, urls: rolesOf(ownerUrl, app, system), release: async () => undefined };
  }
  const running = await findRunning(directory);
  if (running) {
    const { ownerUrl } = running;
    return { ownerUrl, urls: rolesOf(ownerUrl), release: async () => undefined };
  }
  const own = await startEmbedded({ directory });
  return { ownerUrl: own.ownerUrl, urls: rolesOf(own.ownerUrl), release: () => own.stop() };
}

/**
 * Returns the database URL of the role that owns the tables, from which the roles of the service are derived. Returns
 * undefined when the two roles are configured.
 */
export function derivedFrom(config: Config, { ownerUrl }: ReachedDatabase): string | undefined {
  return config.DATABASE_APP_URL === undefined ? ownerUrl : undefined;
}

function rolesOf(ownerUrl = '', appUrl?: string, systemUrl?: string): DatabaseUrls {
  return { appUrl: appUrl ?? roleUrl(ownerUrl, APP_ROLE), systemUrl: systemUrl ?? roleUrl(ownerUrl, SYSTEM_ROLE) };
}

/** The dependencies of the operations. */
export type Operator = ReturnType<typeof open>;

/**
 * Runs work on the database of the configuration. This function applies no migrations, so the database must already be
 * at the version of this program. Raises DatabaseRefused, MigrationRefused, or the connection's error.
 */
export async function withOperator<T>(invocation: Invocation, work: (operator: Operator) => Promise<T>): Promise<T> {
  const config = configuration(invocation);
  const reached = await reachDatabase(config);
  try {
    const prepared = prepareDatabase({ ...reached.urls, ownerUrl: undefined, migrationsDirectory: MIGRATIONS });
    await prepared.catch(async (error: unknown) => {
      throw await explainLoginError(error, derivedFrom(config, reached));
    });
    const log = openLog({ level: 'silent', pretty: false, to: invocation.stderr });
    const dataKeys = await dataKeysOf(config, log);
    const operator = open(config, reached.urls, { log, dataKeys });
    try {
      await learnPhase(operator.db, dataKeys);
      return await work(operator);
    } finally {
      await operator.db.close();
      await dataKeys.close();
    }
  } finally {
    await reached.release();
  }
}

/** Returns the checks of a password that an operator sets. */
export function policyOf(config: Config): PasswordPolicy {
  const minLength = config.PASSWORD_MIN_LENGTH;
  return openPasswordPolicy({
    minLength,
    words: wordsOf(config),
    strength: openStrength({ waitMsMax: STRENGTH_MS_MAX }),
  });
}

// With a wrong lookup key, only the commands that look up people fail. The others must still work, above all the
// revocation of a signing key.
async function learnPhase(db: Database, keys: DataKeyRing): Promise<void> {
  try {
    await readPersonalPhase({ db, keys });
  } catch (error) {
    if (!(error instanceof DataKeysRefused)) throw error;
  }
}

/** Opens the data keys. Without keys, only the commands that touch personal data fail. */
async function dataKeysOf(config: Config, log: Log): Promise<DataKeyRing> {
  const { KEYS_DIR, KEYS_PASSPHRASE: passphrase } = config;
  if (!config.production)
    await ensureDevelopmentDataKeys(KEYS_DIR, { clock: systemClock, random: systemRandom, passphrase });
  return openDataKeys({ directory: join(KEYS_DIR, 'data'), clock: systemClock, log, passphrase });
}

function open(
  config: Config,
  urls: DatabaseUrls,
  { log, dataKeys }: { readonly log: Log; readonly dataKeys: DataKeyRing },
) {
  return {
    config,
    dataKeys,
    db: openDatabase({ ...urls, poolSize: POOL_SIZE, log, personal: createPersonal(dataKeys, systemRandom) }),
    clock: systemClock,
    random: systemRandom,
    /** This process verifies no tokens, so it keeps no revocations. The services read revocations from PostgreSQL. */
    publish: () => undefined,
    passwords: createPasswords(hashingOf(config)),
    issuer: config.PUBLIC_URL,
    audience: config.TOKEN_AUDIENCE,
    audiences: config.TOKEN_AUDIENCES,
    passwordPolicy: policyOf(config),
    invitationTtlSeconds: config.INVITATION_TTL,
    ...trialOf(config),
  };
}
