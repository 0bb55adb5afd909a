// The process log: JSON lines, pretty on a development terminal. Secrets never get here: callers log ids, and the
// redaction below is the second net, not the first.
import { type LevelWithSilent, type Logger, pino, type TransportSingleOptions } from 'pino';

export type Log = Pick<Logger, 'debug' | 'info' | 'warn' | 'error' | 'fatal'>;

const SECRET_FIELDS = ['password', 'currentPassword', 'newPassword', 'token', 'accessToken', 'refreshToken', 'secret'];
const SECRET_HEADERS = ['authorization', 'cookie', '["set-cookie"]'];

/** Opens the log. `pretty` is for people, the default is one JSON object a line on standard output. */
export function openLog(options: { level: LevelWithSilent; pretty: boolean }): Logger {
  const transport: TransportSingleOptions = {
    target: 'pino-pretty',
    options: { translateTime: 'HH:MM:ss', ignore: 'pid,hostname' },
  };
  return pino({
    level: options.level,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: {
      paths: [
        ...SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]),
        ...SECRET_HEADERS.flatMap((header) => [`headers.${header}`, `*.headers.${header}`]),
      ].map((path) => path.replace('.[', '[')),
      censor: '[redacted]',
    },
    ...(options.pretty ? { transport } : {}),
  });
}
