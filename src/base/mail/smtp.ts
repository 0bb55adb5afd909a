// Hands a mail in by SMTP, or, where no server is set, prints it for a developer. What is in a mail, when it is sent and
// what follows from a failure belongs to others.
import type { Log } from '../platform/log.ts';

export interface Mail {
  /** Exactly one address, as it is stored. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Resolves once the server has taken the mail. Raises MailRefused; also when the signal ends it. */
export type SendMail = (mail: Mail, signal: AbortSignal) => Promise<void>;

/** A mail that was not taken. The message names the step and the server's number, nothing of the mail or the address. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused';
}

export interface MailSettings {
  /** smtp:// or smtps://, with ?tls=optional where STARTTLS may be missing. */
  readonly url: string | undefined;
  readonly from: string;
  readonly production: boolean;
  readonly log: Log;
}

const CONNECT_MS = 10_000;
const GREETING_MS = 10_000;
const SILENCE_MS = 15_000;
/** From the look-up of the server to its last word. */
export const MAIL_MS_MAX = 30_000;

/** How mail leaves; null when it cannot: in production without a server. */
export function openMail(settings: MailSettings): SendMail | null {
  if (settings.url !== undefined) return smtp(settings.url, settings);
  if (settings.production) {
    settings.log.warn('SMTP_URL is not set: mails wait in the outbox');
    return null;
  }
  return async ({ to, subject, text }) =>
    settings.log.info({ to, subject, text }, 'a mail, printed here without SMTP_URL');
}

/** Whether the server of this address lets us in. Raises MailRefused. */
export async function checkMail({ url, production }: { readonly url: string; readonly production: boolean }) {
  const { createTransport } = await import('nodemailer');
  try {
    await createTransport(settingsOf(url, production)).verify();
  } catch (error) {
    throw new MailRefused(stepOf(error));
  }
}

function settingsOf(address: string, production: boolean) {
  const url = new URL(address);
  const secure = url.protocol === 'smtps:';
  const here = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    secure,
    requireTLS: production && !secure && !here && url.searchParams.get('tls') !== 'optional',
    ...(url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    connectionTimeout: CONNECT_MS,
    greetingTimeout: GREETING_MS,
    socketTimeout: SILENCE_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function smtp(address: string, { from, production }: MailSettings): SendMail {
  const settings = settingsOf(address, production);
  return async (mail, signal) => {
    const { createTransport } = await import('nodemailer'); // at the first mail: a start does not wait for it
    try {
      await createTransport(settings).sendMail({
        from,
        // As an object: a text would be parsed, and could become several recipients.
        to: { name: '', address: mail.to },
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        headers: { 'Auto-Submitted': 'auto-generated' }, // RFC 3834 §5: nobody's holiday notice answers it
        signal: AbortSignal.any([signal, AbortSignal.timeout(MAIL_MS_MAX)]),
      });
    } catch (error) {
      throw new MailRefused(stepOf(error));
    }
  };
}

/** The server's own sentence may repeat addresses and even the mail's links: only codes are kept. */
function stepOf(error: unknown): string {
  const { code, responseCode, command } = error as { code?: unknown; responseCode?: unknown; command?: unknown };
  const parts = [code, command, responseCode].map(String).filter((part) => /^[A-Z0-9 _]{1,30}$/.test(part));
  return parts.length > 0 ? parts.join(' ') : 'unknown failure';
}
