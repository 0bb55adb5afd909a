// Opens several services on one database. Some of them receive revocations only from the stream. Also waits until a
// service has received a revocation.
import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import type { TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { openService, type Service } from '../../support/service.ts';
import { soon, until } from '../../support/until.ts';

export interface BlockableReads {
  /** The database for the settings of a service. */
  readonly database: TestDatabase;
  /** Makes every later read of revocations fail. */
  block(): Promise<void>;
  /** Makes reads work again. They continue from the last position. */
  unblock(): Promise<void>;
}

/** Creates a database user with a policy that can make the user's reads of revocations fail, and no other statement. */
export async function blockableReads(database: TestDatabase): Promise<BlockableReads> {
  const role = `blockable_${randomBytes(6).toString('hex')}`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD '${role}' IN ROLE tenantry_system`);
  const url = new URL(database.systemUrl);
  url.username = role;
  url.password = role;
  const unblock = async () => void (await database.query(`DROP POLICY IF EXISTS ${role} ON revocations`));
  const block = async () => {
    await unblock();
    // The division by zero fails when the statement is planned, so a read also fails when there is no row.
    await database.query(`CREATE POLICY ${role} ON revocations AS RESTRICTIVE FOR SELECT TO ${role} USING (1 / 0 = 1)`);
  };
  return { database: { ...database, systemUrl: url.href }, block, unblock };
}

/** Resolves once each service follows the stream and can write to it. */
export async function streaming(...services: readonly Service[]): Promise<void> {
  for (const { app } of services) await until(() => app.parts.revocations.isStreaming() === true);
}

/** Resolves once each service has noticed that the stream is unavailable. */
export async function degraded(...services: readonly Service[]): Promise<void> {
  for (const { app } of services) await until(() => app.parts.revocations.isStreaming() === false);
}

/** Opens two services with a stream. `b` receives the revocations of `a` only from the stream. */
export async function openPair(
  t: Test,
  database: TestDatabase,
  redisUrl: string,
): Promise<{ readonly a: Service; readonly b: Service; readonly reads: BlockableReads }> {
  const a = await openService(t, database, { REDIS_URL: redisUrl });
  const reads = await blockableReads(database);
  const b = await openService(t, reads.database, { REDIS_URL: redisUrl });
  await b.app.parts.revocations.synchronize(); // like every start
  await reads.block();
  await streaming(a, b);
  return { a, b, reads };
}

/** Returns the answer of the service to the account's access token: the status, or the code of the refusal. */
export async function verdict(
  { api }: Service,
  { accessToken }: Pick<Account, 'accessToken'>,
): Promise<string | number> {
  const { code, status } = await api.get('/me', { token: accessToken });
  return code ?? status;
}

/** Resolves once the service refuses the account's access token with that code. */
export function refuses(service: Service, account: Pick<Account, 'accessToken'>, code = 'session_revoked') {
  return until(async () => (await verdict(service, account)) === code);
}

export async function logOut({ api }: Service, { accessToken }: Pick<Account, 'accessToken'>): Promise<number> {
  return (await api.post('/auth/logout', undefined, { token: accessToken })).status;
}

/** Creates an account and signs it out at the service. Returns the account. */
export async function signedOut(service: Service): Promise<Account> {
  const account = await newAccount(service.api);
  await logOut(service, account);
  return account;
}

const BROKEN = 'Redis cannot be used';
const WHOLE_AGAIN = 'Redis can be used again';
const LOST = 'the revocation stream was lost';

/** Whether the newest log line about reading, or that about writing, says that Redis cannot be used. */
function isBroken({ lines }: Service): boolean {
  return ['reading', 'writing'].some((direction) => {
    const newest = lines.findLast(
      (line) =>
        line.includes(`"direction":"${direction}"`) && [BROKEN, WHOLE_AGAIN].some((said) => line.includes(said)),
    );
    return newest?.includes(BROKEN);
  });
}

/** Says whether a service has noticed since the beginning of a step that an entry of the stream may be missing. */
export type HasGap = () => boolean;

function watchGaps(services: readonly Service[], signs: readonly string[]): HasGap {
  const count = () =>
    services.flatMap(({ lines }) => lines).filter((line) => signs.some((sign) => line.includes(sign)));
  const before = count().length;
  const wasBroken = services.some(isBroken);
  return () => wasBroken || count().length > before;
}

const WITHOUT_GAP_MILLISECONDS = 120_000;

/**
 * Runs the step, and repeats it only when a service has noticed a gap meanwhile. On a busy machine a connection to
 * Redis may break, and a service that reads the stream alone misses what is published at that moment. `signs` are the
 * lines of the log that count as a gap.
 */
export async function withoutGap<T>(
  services: readonly Service[],
  step: (hasGap: HasGap) => Promise<T>,
  signs: readonly string[] = [BROKEN],
): Promise<T> {
  const end = performance.now() + WITHOUT_GAP_MILLISECONDS;
  for (;;) {
    await streaming(...services);
    await until(() => !services.some(isBroken));
    const hasGap = watchGaps(services, signs);
    try {
      const result = await step(hasGap);
      if (!hasGap()) return result;
    } catch (error) {
      if (!hasGap()) throw error;
    }
    if (performance.now() > end) throw new Error('the stream had a gap in every step');
  }
}

/**
 * Longer than an entry takes to arrive on a busy machine, and longer than a service takes to notice a broken
 * connection.
 */
const ARRIVES_MILLISECONDS = 30_000;

/** Resolves once the condition, which an entry of the stream causes, is true. Raises at once when there is a gap. */
export async function arrives(condition: () => boolean | Promise<boolean>, hasGap: HasGap): Promise<void> {
  let has = false;
  await soon(async () => {
    has = await condition();
    return has || hasGap();
  }, ARRIVES_MILLISECONDS);
  if (!has) throw new Error(hasGap() ? 'the stream had a gap' : `no entry arrived, without a gap: ${condition}`);
}

/**
 * Calls `revoke`, which ends a session or a right of an account. The second service must learn of this from the stream.
 * Returns the account.
 */
export function learns<T extends Pick<Account, 'accessToken'>>(
  services: readonly [Service, Service],
  revoke: () => Promise<T>,
  code = 'session_revoked',
  signs?: readonly string[],
): Promise<T> {
  const [, to] = services;
  const step = async (hasGap: HasGap) => {
    const revoked = await revoke();
    await arrives(async () => (await verdict(to, revoked)) === code, hasGap);
    return revoked;
  };
  return withoutGap(services, step, signs);
}

/**
 * Call this after a fault. Signs an account out at one service, and the other service must learn of that from the
 * stream. For each gap that a service notices meanwhile, signs another account out. Returns all of them, the refused
 * one last.
 */
export async function heals(from: Service, to: Service): Promise<Account[]> {
  const tried: Account[] = [];
  const signOutOne = async () => {
    const account = await signedOut(from);
    tried.push(account);
    return account;
  };
  await learns([from, to], signOutOne, 'session_revoked', [BROKEN, LOST]);
  return tried;
}
