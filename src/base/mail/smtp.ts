// Hands a mail in by SMTP, or, where no server is set, prints it for a developer. What is in a mail, when it is sent and
// what follows from a failure belongs to others.
import type { Log } from '../platform/log.ts';
import { refusalOf } from './cause.ts';

export interface Mail {
  /** Exactly one address, as it is stored. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** A mail on its way. Its id makes the Message-ID: whoever gets it twice can tell. Without one it gets any. */
export type OutgoingMail = Mail & { readonly id?: string };

/** Resolves once the server has taken the mail. Raises MailRefused; also when the signal ends it. */
export type SendMail = (mail: OutgoingMail, signal: AbortSignal) => Promise<void>;

export interface MailSettings {
  /** smtp:// or smtps://, with ?tls=optional where STARTTLS may be missing. */
  readonly url: string | undefined;
  readonly from: string;
  readonly production: boolean;
  readonly log: Log;
  readonly patience?: Patience;
}

/** How long the server may take for each step. */
export interface Patience {
  readonly connectMs: number;
  readonly greetingMs: number;
  readonly silenceMs: number;
}

const PATIENCE: Patience = { connectMs: 10_000, greetingMs: 10_000, silenceMs: 15_000 };
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
export async function checkMail(settings: Pick<MailSettings, 'production' | 'patience'> & { readonly url: string }) {
  const { createTransport } = await import('nodemailer');
  try {
    await createTransport(transportOf(settings.url, settings)).verify();
  } catch (error) {
    throw refusalOf(error);
  }
}

function transportOf(address: string, { production, patience }: Pick<MailSettings, 'production' | 'patience'>) {
  const { connectMs, greetingMs, silenceMs } = patience ?? PATIENCE;
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
    const { createTransport } = await import('nodemailer'); // at the first mail: a start does not wait for it
    try {
      await createTransport(transport).sendMail({
        from,
        // As an object: a text would be parsed, and could become several recipients.
        to: { name: '', address: mail.to },
        subject: mail.subject,
        text: mail.text,
        html: mail.html,
        ...(mail.id === undefined ? {} : { messageId: `<${mail.id}@${domainOf(from)}>` }),
        headers: { 'Auto-Submitted': 'auto-generated' }, // RFC 3834 §5: nobody's holiday notice answers it
        signal: AbortSignal.any([signal, AbortSignal.timeout(MAIL_MS_MAX)]),
      });
    } catch (error) {
      throw refusalOf(error);
    }
  };
}

/** The right-hand side of a Message-ID (RFC 5322 §3.6.4). */
function domainOf(from: string): string {
  return /@([A-Za-z0-9.-]+)>?\s*$/.exec(from)?.[1] ?? 'localhost';
}
