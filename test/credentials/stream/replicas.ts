// Several services on one database, some of which receive revocations from the stream alone, and waiting until a service
// knows of a revocation.
import { randomBytes } from 'node:crypto';
import type { Test } from 'tap';
import type { TestDatabase } from '../../support/database.ts';
import { type Account, newAccount } from '../../support/fixtures/accounts.ts';
import { openService, type Service } from '../../support/service.ts';
import { soon, until } from '../../support/until.ts';

export interface BlockableReads {
  /** The database, for a service to be opened with. */
  readonly database: TestDatabase;
  /** From now on, reading revocations fails. */
  block(): Promise<void>;
  /** From now on, reading works again, from the last position. */
  unblock(): Promise<void>;
}

/** A database user whose reads of revocations can be made to fail, and nothing else: by a policy for that user. */
export async function blockableReads(database: TestDatabase): Promise<BlockableReads> {
  const role = `blockable_${randomBytes(6).toString('hex')}`;
  await database.query(`CREATE ROLE ${role} LOGIN PASSWORD '${role}' IN ROLE tenantry_system`);
  const url = new URL(database.systemUrl);
  url.username = role;
  url.password = role;
  const unblock = async () => void (await database.query(`DROP POLICY IF EXISTS ${role} ON revocations`));
  const block = async () => {
    await unblock();
    // It fails when the statement is planned, so it also fails when there is no row.
    await database.query(`CREATE POLICY ${role} ON revocations AS RESTRICTIVE FOR SELECT TO ${role} USING (1 / 0 = 1)`);
  };
  return { database: { ...database, systemUrl: url.href }, block, unblock };
}

/** Resolves once the service follows the stream and can write into it. */
export async function streaming(...services: readonly Service[]): Promise<void> {
  for (const { app } of services) await until(() => app.parts.revocations.isStreaming() === true);
}

/** Resolves once the service knows that its stream is unavailable. */
export async function degraded(...services: readonly Service[]): Promise<void> {
  for (const { app } of services) await until(() => app.parts.revocations.isStreaming() === false);
}

/** Two services with a stream between them. `b` receives what `a` revokes from the stream, or not at all. */
export async function openPair(
  t: Test,
  database: TestDatabase,
  redisUrl: string,
): Promise<{ readonly a: Service; readonly b: Service; readonly reads: BlockableReads }> {
  const a = await openService(t, database, { REDIS_URL: redisUrl });
  const reads = await blockableReads(database);
  const b = await openService(t, reads.database, { REDIS_URL: redisUrl });
  await b.app.parts.revocations.synchronize(); // as every start does
  await reads.block();
  await streaming(a, b);
  return { a, b, reads };
}

/** What the service answers to the account's access token: the status, or the code of the refusal. */
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

/** An account that has been signed out by the service. */
export async function signedOut(service: Service): Promise<Account> {
  const account = await newAccount(service.api);
  await logOut(service, account);
  return account;
}

/**
 * Lets `revoke` end something of a further account until the service refuses one. Returns that one. On a busy machine a
 * connection to Redis may break, and a service that reads the stream alone misses what is published at that moment.
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

/** Signs accounts out at one service until the other refuses one of them. Returns all of them, the refused one last. */
export async function heals(from: Service, to: Service): Promise<Account[]> {
  const tried: Account[] = [];
  await learns(to, async () => {
    const account = await signedOut(from);
    tried.push(account);
    return account;
  });
  return tried;
}
