// The reasons why a mail was not sent. Each reason has a stable code, and a sentence that says what to do or what
// follows. The log, the doctor and the list of mails use these sentences.

/** The sentence of each code. */
export const MAIL_FAILURES = {
  host_not_found: 'the host name of the mail server is unknown: check the host in SMTP_URL and the DNS of this machine',
  connection_refused:
    'no program listens on the port of the mail server: check host and port in SMTP_URL, and that the server runs',
  host_unreachable: 'the network cannot reach the mail server: check the host in SMTP_URL, routes and firewalls',
  connection_lost: 'the mail server closed the connection: try again, or read its log',
  timeout:
    'the mail server did not answer in time: check the port in SMTP_URL and firewalls; a port that expects TLS at once (465) needs smtps://',
  certificate_untrusted:
    'the certificate of the mail server was not signed by a known authority: set NODE_EXTRA_CA_CERTS to the certificate file of its authority',
  certificate_expired:
    'the certificate of the mail server is not valid now: renew it, or correct the clock of this machine',
  certificate_mismatch: 'the certificate of the mail server is for another host name: use that name in SMTP_URL',
  tls_not_spoken:
    'the port does not expect TLS at once: use smtp:// with this port (25, 587), or smtps:// with another one (465)',
  tls_not_offered:
    'the mail server offers no STARTTLS, which production requires: use smtps://, or add ?tls=optional to SMTP_URL',
  tls_required: 'the mail server accepts nothing without TLS: make it offer STARTTLS on this port, or use smtps://',
  tls_failed:
    'Tenantry and the mail server support no common TLS version or cipher: enable TLS 1.2 or later on the mail server',
  credentials_refused:
    'the mail server refused the user name and the password: check both in SMTP_URL, where they must be percent-encoded',
  credentials_required: 'the mail server requires a user name and a password: add both to SMTP_URL',
  sender_refused: 'the mail server refused the sender: check MAIL_FROM',
  recipient_refused: 'the mail server refused the address of the recipient: it may no longer exist',
  message_refused: 'the mail server refused the mail itself: read its log for the reason',
  server_refused: 'the mail server refused the connection or a command: read its log for the reason',
  server_unintelligible: 'the answer does not come from a mail server: check host and port in SMTP_URL',
  no_mail_server: 'SMTP_URL was not set for 24 hours: set it, and retry the mails that are still needed',
  interrupted: 'the process ended while it sent the mail: the mail may or may not have been sent',
  organization_suspended: 'the organization is suspended: the mail is sent after its activation',
  unexpected: 'the mail could not be created or sent: the log has the error',
} as const;

export type MailFailure = keyof typeof MAIL_FAILURES;

/**
 * A mail was not sent. The error never contains the text of the server, because that text may repeat the mail or the
 * address.
 */
export class MailRefused extends Error {
  override readonly name = 'MailRefused';
  readonly code: MailFailure;
  /**
   * The text that is stored. It has the code, then the step and the status number, such as `recipient_refused RCPT TO
   * 550`.
   */
  readonly failure: string;
  constructor(code: MailFailure, trace = '') {
    const failure = trace === '' ? code : `${code} ${trace}`;
    super(`${MAIL_FAILURES[code]} [${failure}]`);
    this.code = code;
    this.failure = failure;
  }
}

export interface DescribedFailure {
  /** A code of the table, or `unknown` for a code that another version stored. */
  readonly code: MailFailure | 'unknown';
  readonly detail: string;
  /** The step and the status number of the server. */
  readonly trace: string;
}

/** Describes a stored failure. */
export function describeFailure(failure: string): DescribedFailure {
  const [code = '', ...trace] = failure.split(' ');
  if (!Object.hasOwn(MAIL_FAILURES, code)) return { code: 'unknown', detail: failure, trace: '' };
  return { code: code as MailFailure, detail: MAIL_FAILURES[code as MailFailure], trace: trace.join(' ') };
}
