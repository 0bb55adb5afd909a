// Converts an error of nodemailer into a failure of the table in failures.ts. The code of nodemailer is the kind of the
// error, `command` is the step, and the original code is that of the system or of TLS.
import { type MailFailure, MailRefused } from './failures.ts';

interface SmtpError {
  readonly code?: unknown;
  /** The code of the system or of TLS. */
  readonly originalCode?: unknown;
  /** The step: CONN, EHLO, STARTTLS, AUTH PLAIN, MAIL FROM, RCPT TO, DATA. */
  readonly command?: unknown;
  /** The status number of the server's answer. */
  readonly responseCode?: unknown;
  readonly response?: unknown;
  readonly name?: unknown;
  readonly cause?: unknown;
}

const SYSTEM_FAILURES: readonly (readonly [RegExp, MailFailure])[] = [
  [/^(ENOTFOUND|EAI_\w+|ENODATA|ESERVFAIL|EREFUSED|ENOTIMP|EBADNAME)$/, 'host_not_found'],
  [/^ECONNREFUSED$/, 'connection_refused'],
  [/^(EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL)$/, 'host_unreachable'],
  [/^E?TIMEOUT$|^ETIMEDOUT$/, 'timeout'],
  [/^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/, 'certificate_expired'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'certificate_mismatch'],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|INVALID_\w+)$/,
    'certificate_untrusted',
  ],
  [/^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST)$/, 'tls_not_spoken'],
  [/^(ERR_SSL_\w+|EPROTO)$/, 'tls_failed'],
];

// RFC 3207 §4 and RFC 4954 §6 both use 530. Only the text of the answer shows whether TLS or credentials are missing.
const WANTS_TLS = /STARTTLS|\bTLS\b|encrypt|secure/i;

/** Converts an error into a MailRefused that has the failure and the trace. */
export function refusalOf(error: unknown): MailRefused {
  if (error instanceof MailRefused) return error;
  return new MailRefused(failureOf(error as SmtpError), traceOf(error as SmtpError));
}

function failureOf(error: SmtpError): MailFailure {
  const code = String(error.code ?? '');
  if (code === 'EABORT') return (error.cause as Error | undefined)?.name === 'TimeoutError' ? 'timeout' : 'interrupted';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (code === 'EDNS') return 'host_not_found';
  const original = String(error.originalCode ?? '');
  const known = SYSTEM_FAILURES.find(([pattern]) => pattern.test(original));
  if (known) return known[1];
  return refusedAt(code, error);
}

function refusedAt(code: string, { command, responseCode, response }: SmtpError): MailFailure {
  const step = String(command ?? '');
  if (responseCode === 530 || responseCode === 538) {
    return WANTS_TLS.test(String(response ?? '')) ? 'tls_required' : 'credentials_required';
  }
  if (code === 'ETLS') return step === 'STARTTLS' && responseCode !== undefined ? 'tls_not_offered' : 'tls_failed';
  if (code === 'EAUTH' || code === 'ENOAUTH') return step === 'API' ? 'credentials_required' : 'credentials_refused';
  if (code === 'EENVELOPE' && step === 'MAIL FROM') return 'sender_refused';
  if (code === 'EENVELOPE' && step !== 'DATA') return 'recipient_refused';
  if (code === 'EENVELOPE' || code === 'EMESSAGE') return 'message_refused';
  if (responseCode !== undefined) return 'server_refused';
  if (code === 'EPROTOCOL') return 'server_unintelligible';
  if (code === 'ECONNECTION' || code === 'ESOCKET') return 'connection_lost';
  return 'unexpected';
}

/**
 * Returns the trace. It contains codes only, because the text of the server may repeat addresses and even links of the
 * mail.
 */
function traceOf({ code, originalCode, command, responseCode }: SmtpError): string {
  const parts = [originalCode ?? code, command, responseCode].map(String);
  return parts.filter((part) => part !== 'undefined' && /^[A-Z0-9 _]{1,40}$/.test(part)).join(' ');
}
