// The program. It reads the configuration, prepares the database and the keys, listens, and shuts down in a fixed
// order. With arguments, it runs the command line: see cli/run.ts.
import { once } from 'node:events';
import { flushCompileCache } from 'node:module';
import { type AddressInfo, createServer } from 'node:net';
import { constants } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import type { App } from './app/app.ts';
import { type Config, readConfig } from './base/config/config.ts';
import { explainUnusable } from './base/database/unusable.ts';
import type { EmbeddedPostgres } from './base/embedded/embedded.ts';
import { OperatorError } from './base/errors/operator-error.ts';
import { systemClock } from './base/platform/clock.ts';
import { openLog } from './base/platform/log.ts';
import { systemRandom } from './base/platform/random.ts';
import type { DemoOwner } from './cli/seed/demo.ts';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** The longest time that the end takes after SHUTDOWN_DELAY. Running requests have 11 s of it. */
const STOP_WITHIN_MS = 24_000;
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The service cannot start with this configuration. */
class StartRefused extends OperatorError {
  override readonly name = 'StartRefused';
}

/** What ends the service: the functions that close its parts, and the signal that requests the end. */
interface Ending {
  /** Run in this order. */
  readonly stops: (() => Promise<unknown>)[];
  /** Aborts with the first signal. */
  readonly signal: AbortSignal;
}

/** Starts the service. Returns null when a signal has ended the start. */
async function start(config: Config, log: Logger, ending: Ending): Promise<App | null> {
  try {
    await refuseSecond(config);
    await refuseTakenPort(config);
    const app = await serve(config, log, ending);
    await announce(config, app, log);
    flushCompileCache();
    return app;
  } catch (error) {
    await stopAll(ending);
    if (error === ending.signal.reason) return null;
    throw error;
  }
}

/** Stops the service in order: not ready, then a time in which it still serves, then the end of its connections. */
async function stop(config: Config, app: App, ending: Ending): Promise<void> {
  app.drain();
  await delay(config.SHUTDOWN_DELAY * 1000);
  await app.leave();
  await stopAll(ending);
}

async function serve(config: Config, log: Logger, { stops, signal }: Ending): Promise<App> {
  const embedded = needsEmbedded(config) ? await startDatabase(config, log) : undefined;
  if (embedded) stops.unshift(() => embedded.stop());
  signal.throwIfAborted();
  const { prepareDatabase } = await import('./base/database/open.ts');
  const urls = await prepareDatabase({
    ownerUrl: embedded?.ownerUrl ?? config.DATABASE_URL,
    appUrl: config.DATABASE_APP_URL,
    systemUrl: config.DATABASE_SYSTEM_URL,
    migrationsDirectory: join(ROOT, 'prisma', 'migrations'),
    onMigrated: (names) => names.length > 0 && log.info({ migrations: names }, 'database migrated'),
  });
  signal.throwIfAborted();
  await prepareKeys(config);
  const { openApp } = await import('./app/app.ts');
  const app = await openApp({ config, urls, clock: systemClock, random: systemRandom, log, root: ROOT });
  stops.unshift(() => app.close());
  await refuseDevelopmentKeys(config, app);
  await app.parts.personalPhase.synchronize();
  const { applyFirstPreset } = await import('./directory/presets/apply.ts');
  const roles = await applyFirstPreset(app.parts, config.ROLE_PRESET);
  if (roles.length > 0) log.info({ preset: config.ROLE_PRESET, roles }, 'system roles made');
  await app.parts.revocations.synchronize();
  await refuseRevoked(app);
  signal.throwIfAborted();
  await listen(config, app);
  return app;
}

function needsEmbedded(config: Config): boolean {
  return !config.production && !config.DATABASE_URL && !config.DATABASE_APP_URL;
}

/** Refuses a second start, because Tenantry is already running. Otherwise the message would be about the port. */
async function refuseSecond(config: Config): Promise<void> {
  if (!needsEmbedded(config)) return;
  const { assertNotRunning } = await import('./base/embedded/embedded.ts');
  assertNotRunning(databaseFolder(config));
}

async function startDatabase(config: Config, log: Logger): Promise<EmbeddedPostgres> {
  const { startEmbedded } = await import('./base/embedded/embedded.ts');
  return startEmbedded({ directory: databaseFolder(config), onNotice: (line) => log.info(line) });
}

const databaseFolder = (config: Config) => resolve(config.DATA_DIR, 'postgres');

async function prepareKeys(config: Config): Promise<void> {
  if (config.production) return;
  const { ensureDevelopmentDataKeys } = await import('./credentials/data-keys/development.ts');
  const { KEYS_PASSPHRASE: passphrase } = config;
  await ensureDevelopmentDataKeys(config.KEYS_DIR, { clock: systemClock, random: systemRandom, passphrase });
  if (config.JWT_ACCESS_PRIVATE_KEY_PATH && config.JWT_REFRESH_PRIVATE_KEY_PATH) return;
  const { ensureDevelopmentKeys } = await import('./credentials/keys/development.ts');
  await ensureDevelopmentKeys(config.KEYS_DIR, systemClock, config.KEYS_PASSPHRASE);
}

async function refuseDevelopmentKeys(config: Config, app: App): Promise<void> {
  if (!config.production) return;
  const { isDevelopmentKey } = await import('./credentials/keys/development.ts');
  // An older data key of a development machine may still be needed to open what it has sealed, so only the key that
  // seals now is checked.
  const { accessKeys, refreshKeys, dataKeys } = app.parts;
  for (const keys of [accessKeys.keys(), refreshKeys.keys(), [dataKeys.sealingKeyAt(systemClock.now())]]) {
    const development = keys.find(isDevelopmentKey);
    if (development) {
      throw new StartRefused(
        `KEYS_DIR: ${development.file} is a development key, which production refuses: make new keys for production`,
      );
    }
  }
}

/** A key that was revoked earlier must not sign again when its file has come back. */
async function refuseRevoked({ parts }: App): Promise<void> {
  const { refuseRevokedKeys } = await import('./credentials/revocations/revoke-key.ts');
  const rings = [parts.accessKeys, parts.refreshKeys];
  await refuseRevokedKeys(parts.db, rings);
  for (const ring of rings) {
    try {
      ring.signingKeyAt(systemClock.now());
    } catch {
      throw new StartRefused(
        'KEYS_DIR: every key that could sign was revoked: see `tenantry keys list`, and run `tenantry keys revoke` on the key, which removes its file and makes another',
      );
    }
  }
}

async function listen(config: Config, app: App): Promise<void> {
  await app.server.listen({ host: config.HOST, port: config.PORT }).catch((error) => {
    throw explainListening(config, error);
  });
}

/** Checks the port before the database is started. Another program may still take the port until `listen`. */
async function refuseTakenPort(config: Config): Promise<void> {
  const probe = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  probe.once('error', (error) => reject(explainListening(config, error)));
  probe.listen({ host: config.HOST, port: config.PORT }, () => probe.close(() => resolve()));
  await promise;
}

function explainListening({ HOST, PORT }: Config, error: NodeJS.ErrnoException): Error {
  const { code } = error;
  if (code === 'EADDRINUSE') {
    return new StartRefused(`PORT: ${HOST}:${PORT} is used by another program: stop it, or set PORT to a free port`);
  }
  if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new StartRefused(`HOST, PORT: ${HOST}:${PORT} cannot be listened on (${code}): change HOST or PORT`);
  }
  return error;
}

async function announce(config: Config, app: App, log: Logger): Promise<void> {
  const address = app.server.server.address() as AddressInfo;
  log.info({ address: address.address, port: address.port, issuer: config.PUBLIC_URL }, 'listening');
  if (!needsEmbedded(config) || config.NODE_ENV !== 'development') return;
  const { seedDemo } = await import('./cli/seed/demo.ts');
  const owner = await seedDemo(app.parts, resolve(config.DATA_DIR));
  const local = ['127.0.0.1', '0.0.0.0', '::', '::1'].includes(config.HOST);
  const at = `http://${local ? 'localhost' : config.HOST}:${address.port}`;
  process.stdout.write(`
Tenantry is ready at ${at}${owner ? signInHint(at, owner) : ''}

${config.DOCS_ENABLED ? `The API reference: ${at}/docs\n` : ''}Ctrl-C stops the service. The data stays in ${config.DATA_DIR}; npm run reset removes it.

`);
}

function signInHint(at: string, owner: DemoOwner): string {
  return ` — with a demo organization. Open it in a browser and sign in as its owner,
${owner.email} with the password ${owner.password}, or call the API:

  curl -s -w '\\n' ${at}/api/v1/auth/login -H 'content-type: application/json' \\
    -d '${JSON.stringify(owner)}'`;
}

/**
 * Returns a signal that aborts with the first SIGTERM, SIGINT or SIGHUP. A start that has begun is then ended after its
 * current step. A second signal ends the process at once.
 */
function endOnSignals(config: Config, log: Logger): AbortSignal {
  const ending = new AbortController();
  const end = (name: NodeJS.Signals) => {
    if (ending.signal.aborted) process.exit(128 + constants.signals[name]);
    log.info({ signal: name, delaySeconds: config.SHUTDOWN_DELAY }, 'stopping');
    // Something that hangs must not keep the process alive.
    setTimeout(() => process.exit(1), config.SHUTDOWN_DELAY * 1000 + STOP_WITHIN_MS).unref();
    ending.abort(new Error(`stopped by ${name}`));
  };
  for (const name of SIGNALS) process.on(name, end);
  return ending.signal;
}

async function stopAll({ stops }: Ending): Promise<void> {
  for (const stop of stops.splice(0)) await stop();
}

/** Returns the text that is printed for an error. Only an unexpected error has a stack. */
function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code, path } = error as NodeJS.ErrnoException;
  if (error instanceof OperatorError || (code !== undefined && path !== undefined)) return error.message;
  return explainUnusable(error)?.detail ?? error.stack ?? error.message;
}

/** Runs the service until a signal ends it, and ends the process. */
async function run(): Promise<never> {
  let log: Logger;
  let config: Config;
  let ending: Ending;
  let app: App | null;
  try {
    config = readConfig(process.env);
    log = openLog({ level: config.LOG_LEVEL, pretty: config.NODE_ENV === 'development' && process.stdout.isTTY });
    ending = { stops: [], signal: endOnSignals(config, log) };
    app = await start(config, log, ending);
  } catch (error) {
    process.stderr.write(`Tenantry cannot start:\n  ${explain(error).replaceAll('\n', '\n  ')}\n`);
    process.exit(1);
  }
  try {
    if (app && !ending.signal.aborted) await once(ending.signal, 'abort');
    if (app) await stop(config, app, ending);
    process.exit(0);
  } catch (error) {
    log.error({ reason: (error as Error).message }, 'the service did not stop normally');
    process.exit(1);
  }
}

/** Runs a command of the command line. The first signal ends the command. A second signal ends the process at once. */
async function runArguments(args: readonly string[]): Promise<void> {
  const { runCommand } = await import('./cli/run.ts');
  const ending = new AbortController();
  const end = (name: NodeJS.Signals) => {
    if (ending.signal.aborted) process.exit(1);
    ending.abort(name);
  };
  for (const name of SIGNALS) process.on(name, end);
  const serve = async () => {
    for (const name of SIGNALS) process.off(name, end);
    return await run();
  };
  const { env, stdin, stdout, stderr } = process;
  const exitCode = await runCommand({ args, env, stdin, stdout, stderr, signal: ending.signal, serve });
  // Connections that a command left open, such as those of the sidecar, must not keep the process alive. The process
  // exits after the output is written.
  stdout.write('', () => process.exit(exitCode));
}

const args = process.argv.slice(2);
await (args.length === 0 ? run() : runArguments(args));
