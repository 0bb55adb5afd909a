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
    // The function fails when the statement is planned, so a read also fails when there is no row.
    await database.query(`CREATE POLICY ${role} ON revocations AS RESTRICTIVE FOR SELECT TO ${role} USING (1 / 0 = 1)`);
  };
  return { database: { ...database, systemUrl: url.href }, block, unblock };
}

/** Resolves once the service follows the stream and can write to the stream. */
export async function streaming(...services: readonly Service[]): Promise<void> {
  for (const { app } of services) await until(() => app.parts.revocations.isStreaming() === true);
}

/** Resolves once the service has noticed that its stream is unavailable. */
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

/**
 * Calls `revoke` for one new account after the other until the service refuses one of them. Returns that account. On a
 * busy machine a connection to Redis may break. A service that reads only the stream misses the events of that moment.
 */
export async function learns<T extends Pick<Account, 'accessToken'>>(
  service: Service,
  revoke: () => Promise<T>,
  code = 'session_revoked',
): Promise<T> {
  const revoked: T[] = [];
  const isRefused = async () => (await verdict(service, revoked.at(-1) as T)) === code;
  await until(async () => {
    revoked.push(await revoke());
    return soon(isRefused, 500);
  });
  return revoked.at(-1) as T;
}

/**
 * Signs accounts out at one service until the other service refuses one. Returns all accounts, the refused one last.
 */
export async function heals(from: Service, to: Service): Promise<Account[]> {
  const tried: Account[] = [];
  await learns(to, async () => {
    const account = await signedOut(from);
    tried.push(account);
    return account;
  });
  return tried;
}
