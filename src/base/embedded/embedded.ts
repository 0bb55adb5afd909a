// A private PostgreSQL server, for the start with one command and for tests. This file starts the server, takes it
// over, stops it, and creates the owner role with its database. Other files are responsible for files and users
// (files.ts), the process (server.ts), and the lock (lock.ts). The migrations create everything inside the database.

import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { OperatorError } from '../errors/operator-error.ts';
import { type Credentials, createData, openCredentials, openFolders, type ServerFolders, writeWhole } from './files.ts';
import { codeOf, isRunning, type ProcessMark, readHolder, takeLock } from './lock.ts';
import { adoptServer, explain, type Server, spawnServer, TransientStartError } from './server.ts';

export interface EmbeddedPostgres {
  /** postgres:// URL of the owner role of the database, password included. */
  readonly ownerUrl: string;
  /** postgres:// URL of the superuser on the `postgres` database. */
  readonly adminUrl: string;
  readonly port: number;
  readonly pid: number;
  /** Requests a fast shutdown. Resolves when the server process has ended. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** The folder, created when it is missing. One server at a time runs in it. */
  readonly directory: string;
  /** Makes the server faster, but a crash may lose the data. */
  readonly disposable?: boolean;
  /** Called with a sentence for a person to read. */
  readonly onNotice?: (line: string) => void;
}

/** The database cannot be started in this folder. The message says why, and what to do. */
export class EmbeddedRefused extends OperatorError {
  override readonly name = 'EmbeddedRefused';
}

const OWNER = 'tenantry_owner';
const DATABASE = 'tenantry';
const START_ATTEMPTS_MAX = 10;
const RETRY_MILLISECONDS = 250;

/**
 * Starts PostgreSQL in the directory, or takes over the server that an earlier process left running there. Raises
 * EmbeddedRefused.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const onNotice = options.onNotice ?? (() => {});
  try {
    mkdirSync(options.directory, { recursive: true });
    const directory = realpathSync(options.directory);
    const lock = await takeLock(join(directory, 'lock'));
    if ('heldBy' in lock) {
      throw new Error(alreadyRunning(directory, lock.heldBy));
    }
    try {
      return await start(directory, options.disposable ?? false, onNotice, () => lock.release());
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    throw explainFailure(error, options.directory);
  }
}

/** Raises EmbeddedRefused when another process runs with the database in this folder. */
export function assertNotRunning(directory: string): void {
  const holder = readHolder(join(directory, 'lock'));
  if (holder && isRunning(holder)) throw new EmbeddedRefused(alreadyRunning(directory, holder));
}

function alreadyRunning(directory: string, { pid }: ProcessMark): string {
  return `Tenantry is already running (process ${pid}) with the database in ${directory}. Stop that process first, or set DATABASE_URL for this one.`;
}

async function start(
  directory: string,
  disposable: boolean,
  onNotice: (line: string) => void,
  release: () => void,
): Promise<EmbeddedPostgres> {
  const folders = openFolders(directory, onNotice);
  const credentials = openCredentials(folders);
  await createData(folders, credentials.superuserPassword, disposable);
  const server = await runServer(folders, credentials, disposable, onNotice);
  const urls = urlsOf(server.port, credentials);
  try {
    await createOwner(urls.adminUrl, credentials.ownerPassword);
    writeWhole(join(directory, 'port'), String(server.port));
  } catch (error) {
    await server.stop();
    throw error;
  }
  return {
    ...urls,
    port: server.port,
    pid: server.pid,
    async stop() {
      await server.stop();
      release();
    },
  };
}

async function runServer(
  folders: ServerFolders,
  credentials: Credentials,
  disposable: boolean,
  onNotice: (line: string) => void,
): Promise<Server> {
  const answers = (port: number): Promise<boolean> => canConnect(urlsOf(port, credentials).adminUrl);
  for (let attempt = 1; ; attempt += 1) {
    const adopted = await adoptServer(folders, { disposable, answers });
    if (adopted) {
      onNotice(`Took over the PostgreSQL (process ${adopted.pid}) that an earlier run left behind.`);
      return adopted;
    }
    const port = await freePort(attempt === 1 ? lastPort(folders.directory) : 0);
    try {
      return await spawnServer(folders, { port, disposable, onNotice });
    } catch (error) {
      if (!(error instanceof TransientStartError) || attempt === START_ATTEMPTS_MAX) throw error;
      await delay(RETRY_MILLISECONDS);
    }
  }
}

// A crash may have interrupted an earlier run after any statement. So the role and the database are each created only
// if they are missing.
async function createOwner(adminUrl: string, ownerPassword: string): Promise<void> {
  const client = clientOf({ connectionString: adminUrl });
  await client.connect();
  try {
    const { rows } = await client.query<{ role: boolean; database: boolean }>(
      'SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS role, EXISTS (SELECT FROM pg_database WHERE datname = $2) AS database',
      [OWNER, DATABASE],
    );
    if (!rows[0]?.role) {
      const password = client.escapeLiteral(ownerPassword);
      await client.query(`CREATE ROLE ${OWNER} LOGIN CREATEROLE NOSUPERUSER NOBYPASSRLS PASSWORD ${password}`);
    }
    if (!rows[0]?.database) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${OWNER}`);
  } finally {
    await client.end();
  }
}

/** Whether a server answers at this address within five seconds. */
export async function canConnect(connectionString: string): Promise<boolean> {
  const client = clientOf({ connectionString, connectionTimeoutMillis: 5_000 });
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

/** A client whose queries fail when the server ends. Without a listener, this process would end, too. */
function clientOf(config: pg.ClientConfig): pg.Client {
  const client = new pg.Client(config);
  client.on('error', () => {});
  return client;
}

/** The addresses of the owner and of the superuser on this port. */
export function urlsOf(port: number, credentials: Credentials): { ownerUrl: string; adminUrl: string } {
  const at = `127.0.0.1:${port}`;
  return {
    ownerUrl: `postgres://${OWNER}:${credentials.ownerPassword}@${at}/${DATABASE}`,
    adminUrl: `postgres://postgres:${credentials.superuserPassword}@${at}/postgres`,
  };
}

/** Returns the last port of the server of a folder; 0 when the folder has had no server. */
export function lastPort(directory: string): number {
  const path = join(directory, 'port');
  const port = existsSync(path) ? Number(readFileSync(path, 'utf8')) : 0;
  return Number.isInteger(port) && port > 1023 && port < 65_536 ? port : 0;
}

/** Returns a port that was free a moment ago: the wanted port, or any other. */
function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => (wanted === 0 ? reject(error) : resolve(freePort(0))));
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address();
      const port = address !== null && typeof address === 'object' ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

function explainFailure(error: unknown, directory: string): EmbeddedRefused {
  const code = codeOf(error);
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return new EmbeddedRefused(
      `Cannot write to ${directory}: it belongs to another user or is read-only. Start as the user who created it, or remove it with \`npm run reset\` as that user.`,
      { cause: error },
    );
  }
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new EmbeddedRefused(`Cannot write to ${directory}: the disk is full.`, { cause: error });
  // The error of a failed initdb contains the standard error output of initdb.
  if (error instanceof Error && 'stderr' in error && typeof error.stderr === 'string') {
    return new EmbeddedRefused(`The database could not be created: ${explain(error.stderr.split('\n').slice(-20))}`, {
      cause: error,
    });
  }
  return new EmbeddedRefused(error instanceof Error ? error.message : String(error), { cause: error });
}
