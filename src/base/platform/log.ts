// The log of the process. It has JSON lines, or readable lines on a development terminal. Callers log ids and no
// secrets. Only mails that are printed for a developer contain secrets (base/mail/smtp.ts). The masking below is only a
// second protection.
import type { Writable } from 'node:stream';
import {
  type DestinationStream,
  type LevelWithSilent,
  type Logger,
  type LoggerOptions,
  pino,
  type TransportSingleOptions,
} from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

const SECRET =
  /^(?:password|currentPassword|newPassword|token|accessToken|refreshToken|secret|clientSecret|client_secret|client_assertion|access_token|refresh_token|authorization|cookie|set-cookie)$/i;
const DEPTH_MAX = 4;
/**
 * The names of members are written in the code, so there are few. Names that a sender chooses are not remembered for
 * ever.
 */
const NAMES_MAX = 1_000;
const known = new Map<string, boolean>();

function isSecret(name: string): boolean {
  const remembered = known.get(name);
  if (remembered !== undefined) return remembered;
  if (known.size >= NAMES_MAX) known.clear();
  const result = SECRET.test(name);
  known.set(name, result);
  return result;
}

/**
 * Returns the object with its secret members masked. Members below DEPTH_MAX levels are left out. An object without
 * nested members or secrets is not copied.
 */
function mask(value: Record<string, unknown>, depth = 0): Record<string, unknown> {
  let masked: Record<string, unknown> | undefined;
  for (const key in value) {
    const member = value[key];
    if (isSecret(key)) {
      masked ??= { ...value };
      masked[key] = '[redacted]';
    } else if (typeof member === 'object' && member !== null && !(member instanceof Error)) {
      masked ??= { ...value };
      masked[key] = depth < DEPTH_MAX ? maskNested(member, depth + 1) : '[left out]';
    }
  }
  return masked ?? value;
}

function maskNested(member: object, depth: number): unknown {
  const masked = mask(member as Record<string, unknown>, depth);
  return Array.isArray(member) ? Object.values(masked) : masked;
}

// Only the name, code, message and stack of an error are kept. Other members may contain the values of a query.
function describeError(error: Error & { code?: string }): Record<string, unknown> {
  return { type: error.name, code: error.code, message: error.message, stack: error.stack };
}

export interface LogOptions {
  readonly level: LevelWithSilent;
  readonly pretty: boolean;
  /** Where JSON lines go; the standard output of the process by default. */
  readonly to?: Writable;
}

/** The destination of each log that writes lines of JSON. */
const destinations = new WeakMap<object, { write(line: string): unknown }>();

/** Opens a log that writes lines of JSON, as every log of openLog does unless it is for people. */
function openLines(settings: LoggerOptions, destination: DestinationStream): Logger {
  const log = pino(settings, destination);
  destinations.set(log, destination);
  return log;
}

/**
 * Returns a function that writes info lines with this message. It takes a tenth of the time of `log.info`, and masks
 * nothing: use it only for members that are named in the code, are no secrets, and have no members of their own.
 */
export function plainLines(
  log: Pick<Logger, 'info'>,
  message: string,
): (members: Readonly<Record<string, string | number | null | undefined>>) => void {
  const destination = destinations.get(log);
  if (!destination) return (members) => log.info(members, message);
  const begin = `{"level":${pino.levels.values.info}`;
  const middle = `,"pid":${process.pid},`;
  const end = `,"msg":${JSON.stringify(message)}}\n`;
  return (members) => {
    if (!(log as Logger).isLevelEnabled('info')) return;
    destination.write(
      `${begin}${pino.stdTimeFunctions.isoTime()}${middle}${JSON.stringify(members).slice(1, -1)}${end}`,
    );
  };
}

/** The file descriptor that a stream writes to; null for a stream without one. */
function descriptorOf(stream: Writable): number | null {
  const { fd } = stream as { fd?: unknown };
  return typeof fd === 'number' ? fd : null;
}

/** Opens the log. With `pretty` the lines are for people. Otherwise each line is one JSON object. */
export function openLog(options: LogOptions): Logger {
  const settings = {
    level: options.level,
    base: { pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { log: (line: Record<string, unknown>) => mask(line) },
    serializers: { err: describeError },
  };
  if (options.pretty) {
    const transport: TransportSingleOptions = {
      target: 'pino-pretty',
      options: { translateTime: 'HH:MM:ss', ignore: 'pid', destination: 1 },
    };
    return pino({ ...settings, transport });
  }
  // Nothing will be written, so this log needs no file, and no timer that writes to the file.
  if (options.level === 'silent') return openLines(settings, { write: () => undefined });
  const dest = options.to === undefined ? 1 : descriptorOf(options.to);
  if (options.to && dest === null) return openLines(settings, options.to);
  // Lines are buffered for up to 50 ms and written asynchronously, so that neither a system call nor a slow reader of
  // the log delays a request. pino writes the rest when the process exits.
  return openLines(settings, pino.destination({ dest: dest ?? 1, sync: false, minLength: 4096, periodicFlush: 50 }));
}
