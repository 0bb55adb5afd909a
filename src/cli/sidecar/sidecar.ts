// The command `tenantry sidecar` runs the process in front of a WebSocket server. It opens the verifier, the sidecar
// and the health endpoints from the options. On a signal, it closes its sockets and ends.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { openLog } from '../../base/platform/log.ts';
import type { Sidecar, SidecarLog } from '../../sidecar/core/contract.ts';
import type { Management } from '../../sidecar/core/management.ts';
import type { SidecarOptions } from '../../sidecar/core/sidecar.ts';
import type { Verifier } from '../../verifier/core/contract.ts';
import type { Invocation } from '../line/invocation.ts';
import { fileOf } from '../line/operator.ts';
import { CommandRefused, UsageRefused } from '../line/refusal.ts';
import { addSidecarOptions, readCredentials, readSidecarOptions, type SidecarChoices } from './options.ts';
import { createRevocationLog } from './revocation-log.ts';

const SHUTDOWN_DELAY_SECONDS = 5;

/** Adds the command. */
export function sidecarCommand(program: Command, invocation: Invocation): void {
  const command = program
    .command('sidecar')
    .summary('Run the WebSocket sidecar')
    .description(
      'Run the sidecar in front of a WebSocket server: it refuses every connection without a valid access token, and closes sockets whose token expires or is revoked. It needs neither a database nor the configuration of the service.',
    );
  addSidecarOptions(command);
  command.action((given: Record<string, unknown>) => run(invocation, given));
}

async function run(invocation: Invocation, given: Record<string, unknown>): Promise<void> {
  const choices = readSidecarOptions(given, invocation.env);
  const files =
    choices.clientKeyFile === undefined
      ? choices
      : { ...choices, clientKeyFile: fileOf(invocation, choices.clientKeyFile) };
  const credentials = readCredentials(files, given.revocation !== false, invocation.env);
  const log = openLog({ level: choices.logLevel, pretty: false, to: invocation.stdout });
  const told = createRevocationLog(log);
  const verifier = await verifierOf(choices, credentials, told.onError);
  const opened: (() => unknown)[] = [() => verifier.close()];
  try {
    const sidecar = await open(choices, verifier, log, opened);
    if (credentials === null) log.warn({}, 'revocations are not followed: revoked tokens work until they expire');
    else opened.push(told.watch(verifier, choices.maxStaleness));
    const signal = await signalled(invocation);
    const delaySeconds =
      choices.shutdownDelay ?? (invocation.env.NODE_ENV === 'production' ? SHUTDOWN_DELAY_SECONDS : 0);
    sidecar.announceEnd();
    log.info({ signal, delaySeconds }, 'stopping');
    await delay(delaySeconds * 1000);
    log.info({ ...sidecar.state() }, 'draining');
    await sidecar.close(choices.drain);
    log.info({}, 'stopped');
  } finally {
    for (const close of opened) await close();
  }
}

async function open(
  choices: SidecarChoices,
  verifier: Verifier,
  log: SidecarLog,
  opened: (() => unknown)[],
): Promise<Sidecar> {
  const { openSidecar } = await import('../../sidecar/core/sidecar.ts');
  const deps = { verifier, log, now: () => Date.now() };
  const sidecar = await listening('--listen', choices.listen, () => {
    return openSidecar(deps, settingsOf(choices), choices.listen);
  });
  opened.unshift(() => sidecar.close(0));
  const management = await manage(choices, sidecar, verifier);
  opened.unshift(() => management?.close());
  warnOfDescriptors(choices.maxSockets, log);
  const { address, port } = sidecar.address;
  const { upstream, issuer } = choices;
  const where = { address, port, management: management?.address.port };
  log.info({ ...where, upstream: upstream?.href, issuer }, 'listening');
  return sidecar;
}

async function verifierOf(
  choices: SidecarChoices,
  credentials: ReturnType<typeof readCredentials>,
  onError: (error: Error) => void,
): Promise<Verifier> {
  const { createVerifier } = await import('../../verifier/core/verifier.ts');
  const audience = choices.audience
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  try {
    return createVerifier({
      issuer: choices.issuer ?? '',
      audience,
      ...(choices.serviceUrl === undefined ? {} : { serviceUrl: choices.serviceUrl }),
      // While the revocations are too old, no token can be checked, so new sockets are refused.
      revocation: credentials !== null && { credentials, maxStaleness: choices.maxStaleness, onStale: 'reject' },
      onError,
    });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageRefused('usage', error.message);
    throw error;
  }
}

function settingsOf(choices: SidecarChoices): SidecarOptions {
  return {
    upstream: choices.upstream as URL,
    cookie: choices.cookie ?? null,
    queryParameter: choices.queryParameter ?? null,
    firstMessage: choices.firstMessage,
    forwardToken: choices.forwardToken,
    allowedOrigins: choices.allowedOrigins,
    trustedProxies: choices.trustedProxies,
    messageBytesMax: choices.maxMessage,
    socketsMax: choices.maxSockets,
    socketsPerUserMax: choices.maxSocketsPerUser,
    waitingMax: choices.maxWaiting,
    firstMessageSeconds: choices.firstMessageTimeout,
    handshakeSeconds: choices.handshakeTimeout,
    upstreamSeconds: choices.upstreamTimeout,
    pingSeconds: choices.pingInterval,
    slowSeconds: choices.slowTimeout,
  };
}

async function manage(
  { managementListen, maxStaleness }: SidecarChoices,
  sidecar: Sidecar,
  verifier: Verifier,
): Promise<Management | undefined> {
  if (!managementListen) return undefined;
  const { openManagement } = await import('../../sidecar/core/management.ts');
  return listening('--management-listen', managementListen, () =>
    openManagement({ ...managementListen, sidecar, verifier, maxStaleness }),
  );
}

/**
 * Runs `open`. Raises CommandRefused when the sidecar cannot listen on the address. Raises UsageRefused for a wrong
 * setting.
 */
async function listening<T>(
  option: string,
  at: { readonly host: string; readonly port: number },
  open: () => Promise<T>,
): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (error instanceof TypeError) throw new UsageRefused('usage', error.message);
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'EADDRINUSE' ? 'another program uses it' : (code ?? message);
    throw new CommandRefused('cannot_listen', `${option}: ${at.host}:${at.port} cannot be listened on: ${reason}`);
  }
}

/** Resolves with the name of the signal that ends the sidecar. */
async function signalled({ signal }: Invocation): Promise<string> {
  if (!signal.aborted) await once(signal, 'abort');
  return String(signal.reason);
}

/** Warns when the limit of open files is too low. Each socket needs two file descriptors. */
function warnOfDescriptors(socketsMax: number, log: SidecarLog): void {
  let limits = '';
  try {
    limits = readFileSync('/proc/self/limits', 'utf8');
  } catch {
    return; // the system is not Linux
  }
  const limit = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  const needed = 2 * socketsMax + 1_100;
  if (limit < needed) {
    log.warn({ limit, needed }, 'the limit of open files is too low for --max-sockets: raise it with ulimit -n');
  }
}
