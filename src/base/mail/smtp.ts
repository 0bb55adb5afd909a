// Sends a mail by SMTP. Without a mail server, the mail is printed for a developer, or waits in production. The caller
// decides the content of a mail, when it is sent, and what follows a failure.
import { isLocalHost } from '../platform/local-host.ts';
import type { Log } from '../platform/log.ts';
import { refusalOf } from './cause.ts';
import { headerText } from './header-text.ts';

export interface Mail {
  /** Exactly one address, unchanged from the database. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/**
 * A mail to send. Its id becomes the Message-ID, so that a recipient can recognize a repeated mail. Without an id, the
 * Message-ID is random.
 */
export type OutgoingMail = Mail & { readonly id?: string };

/**
 * A function that sends one mail. Resolves when the server has accepted the mail. Otherwise raises MailRefused, also
 * when the signal aborts.
 */
export type SendMail = (mail: OutgoingMail, signal: AbortSignal) => Promise<void>;

export interface MailSettings {
  /** smtp:// or smtps://, with ?tls=optional when the server may lack STARTTLS. */
  readonly url: string | undefined;
  readonly from: string;
  readonly production: boolean;
  readonly log: Log;
  readonly timeouts?: MailTimeouts;
}

/** How long the server may take for each step. */
export interface MailTimeouts {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly silenceMs: number;
}

const TIMEOUTS: MailTimeouts = { connectMs: 10_000, greetingMs: 10_000, silenceMs: 15_000 };
/** The longest time for one mail, from the DNS lookup to the last answer of the server. */
export const MAIL_MS_MAX = 30_000;

/**
 * Returns the function that sends mail. Returns null when mail cannot be sent, which is the case in production without
 * a mail server.
 */
export function openMail(settings: MailSettings): SendMail | null {
  if (settings.url !== undefined) return smtp(settings.url, settings);
  if (settings.production) {
    settings.log.warn('SMTP_URL is not set: mails wait in the outbox for 24 hours, and are dead after that');
    return null;
  }
  return async ({ to, subject, text }) =>
    settings.log.info({ to, subject, text }, 'a mail, printed here without SMTP_URL');
}

/** Checks that the server accepts the connection and the credentials. Raises MailRefused. */
export async function checkMail(settings: Pick<MailSettings, 'production' | 'timeouts'> & { readonly url: string }) {
  const { createTransport } = await import('nodemailer');
  try {
    await createTransport(transportOf(settings.url, settings)).verify();
  } catch (error) {
    throw refusalOf(error);
  }
}

function transportOf(address: string, { production, timeouts }: Pick<MailSettings, 'production' | 'timeouts'>) {
  const { connectMs, greetingMs, silenceMs } = timeouts ?? TIMEOUTS;
  const url = new URL(address);
  const secure = url.protocol === 'smtps:';
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    ...(url.port === '' ? {} : { port: Number(url.port) }),
    secure,
    requireTLS: production && !secure && !isLocalHost(url.hostname) && url.searchParams.get('tls') !== 'optional',
    ...(url.username === ''
      ? {}
      : { auth: { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) } }),
    connectionTimeout: connectMs,
    greetingTimeout: greetingMs,
    socketTimeout: silenceMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

function smtp(address: string, settings: MailSettings): SendMail {
  const { from } = settings;
  const transport = transportOf(address, settings);
  return async (mail, signal) => {
    const { createTransport } = await import('nodemailer'); // loaded with the first mail, for a faster start
    try {
      await createTransport(transport).sendMail({
        from,
        // The recipient is an object, because nodemailer would parse a string, and the string could become several
        // recipients.
        to: { name: '', address: mail.to },
        subject: headerText(mail.subject),
        text: mail.text,
        html: mail.html,
        ...(mail.id === undefined ? {} : { messageId: `<${mail.id}@${domainOf(from)}>` }),
        headers: { 'Auto-Submitted': 'auto-generated' }, // RFC 3834 §5: prevents automatic answers
        signal: AbortSignal.any([signal, AbortSignal.timeout(MAIL_MS_MAX)]),
      });
    } catch (error) {
      throw refusalOf(error);
    }
  };
}

/** Returns the right-hand side of a Message-ID (RFC 5322 §3.6.4). */
function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
}
