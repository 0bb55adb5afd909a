// Why a mail was not taken: a stable code for each cause, and a sentence that says what to do. The log, the doctor and
// the list of mails say the same words.

/** The sentence of each code. */
export const MAIL_FAILURES = {
  host_not_found: 'the name of the mail server is not known: check the host in SMTP_URL and the DNS of this machine',
  connection_refused: 'nothing listens there: check host and port in SMTP_URL, and that the mail server runs',
  host_unreachable: 'no network leads to the mail server: check the host in SMTP_URL, routes and firewalls',
  connection_lost: 'the mail server ended the connection: try again, or read its log',
  timeout:
    'the mail server did not answer in time: check the port in SMTP_URL and firewalls; a port that speaks TLS from the first byte (465) needs smtps://',
  certificate_untrusted:
    'nobody known has signed the certificate of the mail server: name the file of its authority in NODE_EXTRA_CA_CERTS',
  certificate_expired: 'the certificate of the mail server is not valid at this time: renew it, or set the clock right',
  certificate_mismatch: 'the certificate of the mail server is for another name: write that name into SMTP_URL',
  tls_not_spoken:
    'the port does not speak TLS from the first byte: use smtp:// with it (25, 587), or smtps:// with another one (465)',
  tls_not_offered:
    'the mail server offers no STARTTLS, which is demanded in production: use smtps://, or end SMTP_URL in ?tls=optional',
  tls_required: 'the mail server takes nothing without TLS: let it offer STARTTLS on this port, or use smtps://',
  tls_failed: 'the two did not agree on a version or cipher of TLS: let the mail server speak TLS 1.2 or later',
  credentials_refused: 'the mail server does not take user and password: check them in SMTP_URL, percent-encoded',
  credentials_required: 'the mail server wants user and password: write both into SMTP_URL',
  sender_refused: 'the mail server does not send for this sender: check MAIL_FROM',
  recipient_refused: 'the mail server does not take the address of the receiver: it may not exist any more',
  message_refused: 'the mail server does not take the mail itself: read its log for the reason',
  server_refused: 'the mail server turns everything away: read its log for the reason',
  server_unintelligible: 'what answers is no mail server: check host and port in SMTP_URL',
  interrupted: 'the process that sent it ended meanwhile: nothing is known of what became of it',
  organization_suspended: 'the organization is suspended: the mail leaves after its activation',
  unexpected: 'the mail could not be made or handed in: the log has the error',
} as const;

export type MailFailure = keyof typeof MAIL_FAILURES;

/** A mail that was not taken. Nothing in it is of the mail or the address: a server's own sentence may repeat both. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused';
  readonly code: MailFailure;
  /** What is kept: the code, and after it the step and the server's number, such as `recipient_refused RCPT TO 550`. */
  readonly failure: string;
  constructor(code: MailFailure, trace = '') {
    const failure = trace === '' ? code : `${code} ${trace}`;
    super(`${MAIL_FAILURES[code]} [${failure}]`);
    this.code = code;
    this.failure = failure;
  }
}

export interface DescribedFailure {
  /** A code of the table, or `unknown` for what another version has kept. */
  readonly code: MailFailure | 'unknown';
  readonly detail: string;
  /** The step and the server's number. */
  readonly trace: string;
}

/** What was kept of a failure, in words. */
export function describeFailure(failure: string): DescribedFailure {
  const [code = '', ...trace] = failure.split(' ');
  if (!Object.hasOwn(MAIL_FAILURES, code)) return { code: 'unknown', detail: failure, trace: '' };
  return { code: code as MailFailure, detail: MAIL_FAILURES[code as MailFailure], trace: trace.join(' ') };
}
