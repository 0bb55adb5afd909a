// Each reason for which a mail server refuses a mail has its own name, and a sentence that says what to do. Tested with
// real servers.
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { SMTPServerOptions } from 'smtp-server';
import t, { type Test } from 'tap';
import { refusalOf } from '../../../src/base/mail/cause.ts';
import { describeFailure, MAIL_FAILURES, MailRefused } from '../../../src/base/mail/failures.ts';
import { checkMail, type MailSettings, openMail } from '../../../src/base/mail/smtp.ts';
import { freePort } from '../../support/servers/process.ts';
import { keepingLog } from '../outbox/rows.ts';
import { ELSEWHERE_CERTIFICATE, HERE_CERTIFICATE } from './certificates.ts';
import { REFUSES_CREDENTIALS, raw, smtp, wantsTls } from './servers.ts';

const MAIL = { to: 'grace@example.com', subject: 's', text: 'https://a.example/#token=very-secret', html: 'h' };
const settings = { from: 'a@example.com', production: true, log: keepingLog() };
const noSignal = new AbortController().signal;

/** Returns why the mail is not sent. The doctor must report the same, except when the reason is the mail itself. */
async function failureOf(
  t: Test,
  url: string,
  more: { about?: 'mail'; timeoutMs?: number } = {},
): Promise<MailRefused> {
  const ms = more.timeoutMs;
  const timeouts: Partial<Pick<MailSettings, 'timeouts'>> =
    ms === undefined ? {} : { timeouts: { connectMs: ms, greetingMs: ms, silenceMs: ms } };
  const send = openMail({ ...settings, ...timeouts, url });
  const error = await send?.(MAIL, noSignal).then(
    () => undefined,
    (raised: unknown) => raised,
  );
  if (!(error instanceof MailRefused)) throw new Error(`${url} took the mail`);
  if (more.about !== 'mail') {
    await t.rejects(checkMail({ ...timeouts, url, production: true }), { name: 'MailRefused', code: error.code });
  }
  t.ok(error.message.startsWith(MAIL_FAILURES[error.code]), error.message);
  t.ok(error.message.includes(error.code), error.message);
  t.notMatch(`${error.message} ${error.failure}`, /grace|very-secret|token|user-1|pass-of/);
  t.match(describeFailure(error.failure), { code: error.code, detail: MAIL_FAILURES[error.code] });
  return error;
}

const PLAIN = { disabledCommands: ['STARTTLS', 'AUTH'] };

t.test('a port without a listener is reported as connection_refused', async (t) => {
  t.equal((await failureOf(t, `smtp://127.0.0.1:${await freePort()}`)).code, 'connection_refused');
});

t.test('an unknown host name has its own reason', async (t) => {
  t.equal((await failureOf(t, 'smtp://mail.tenantry.invalid:25')).code, 'host_not_found');
});

t.test('a certificate of an unknown issuer has its own reason, even with STARTTLS', async (t) => {
  for (const url of [
    `smtps://${await smtp(t, { secure: true, ...HERE_CERTIFICATE })}`,
    `smtp://${await smtp(t, HERE_CERTIFICATE)}`,
  ]) {
    const error = await failureOf(t, url);
    t.equal(error.code, 'certificate_untrusted', error.message);
    t.match(error.message, /NODE_EXTRA_CA_CERTS/);
  }
});

t.test('a certificate that has expired or is for another name is refused, and a trusted one works', async (t) => {
  // The certificate that smtp-server uses by default has expired.
  t.equal((await failureOf(t, `smtps://${await smtp(t, { secure: true })}`)).code, 'certificate_expired');
  const known = getCACertificates('default');
  t.teardown(() => setDefaultCACertificates(known));
  setDefaultCACertificates([...known, HERE_CERTIFICATE.cert, ELSEWHERE_CERTIFICATE.cert]); // like NODE_EXTRA_CA_CERTS
  const another = await failureOf(t, `smtps://${await smtp(t, { secure: true, ...ELSEWHERE_CERTIFICATE })}`);
  t.equal(another.code, 'certificate_mismatch', another.message);
  const url = `smtps://${await smtp(t, { secure: true, ...HERE_CERTIFICATE })}`;
  await t.resolves(openMail({ ...settings, url })?.(MAIL, noSignal) ?? Promise.reject(new Error('no transport')));
});

t.test('TLS from the first byte is reported as tls_not_spoken when the port does not use TLS', async (t) => {
  t.equal((await failureOf(t, `smtps://${await smtp(t, PLAIN)}`)).code, 'tls_not_spoken');
});

t.test('a connection without TLS to a port that needs TLS from the first byte is a timeout that says so', async (t) => {
  const address = await smtp(t, { secure: true });
  const error = await failureOf(t, `smtp://${address}`, { timeoutMs: 300 });
  t.equal(error.code, 'timeout');
  t.match(error.message, /smtps:\/\//);
});

t.test('a server that sends nothing is reported as timeout', async (t) => {
  t.equal((await failureOf(t, `smtp://${await raw(t, () => undefined)}`, { timeoutMs: 200 })).code, 'timeout');
});

t.test(
  'a server that closes the connection, refuses everything or is not a mail server has its own reason',
  async (t) => {
    t.equal((await failureOf(t, `smtp://${await raw(t, (socket) => socket.end())}`)).code, 'connection_lost');
    const away = await raw(t, (socket) => socket.end('554 not for you, grace@example.com\r\n'));
    t.equal((await failureOf(t, `smtp://${away}`)).code, 'server_refused');
    const web = await raw(t, (socket) => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'));
    t.equal((await failureOf(t, `smtp://${web}`)).code, 'server_unintelligible');
  },
);

t.test('a server without STARTTLS is refused on every machine except localhost', async (t) => {
  // This address leads to this machine, too, but it is no name of it.
  t.equal((await failureOf(t, `smtp://${await smtp(t, PLAIN, '0.0.0.0')}`)).code, 'tls_not_offered');
});

t.test('credentials that are refused, missing or not allowed without TLS have their own reasons', async (t) => {
  const refused = await failureOf(t, `smtp://user-1:pass-of-user@${await smtp(t, REFUSES_CREDENTIALS)}`);
  t.equal(refused.code, 'credentials_refused');
  t.match(refused.failure, /^credentials_refused .*535$/);
  const missing = await failureOf(t, `smtp://${await smtp(t, REFUSES_CREDENTIALS)}`, { about: 'mail' });
  t.equal(missing.code, 'credentials_required');
  const tls = await raw(t, wantsTls);
  t.equal((await failureOf(t, `smtp://${tls}`, { about: 'mail' })).code, 'tls_required');
});

t.test('a refused sender, a refused recipient and a refused mail have their own reasons', async (t) => {
  const no = (done: (error: Error) => void) =>
    done(Object.assign(new Error(`no: ${MAIL.text}`), { responseCode: 550 }));
  const cases: readonly (readonly [string, SMTPServerOptions])[] = [
    ['sender_refused', { onMailFrom: (_address, _session, done) => no(done) }],
    ['recipient_refused', { onRcptTo: (_address, _session, done) => no(done) }],
    ['message_refused', { onData: (stream, _session, done) => void stream.resume().on('end', () => no(done)) }],
  ];
  for (const [code, options] of cases) {
    const error = await failureOf(t, `smtp://${await smtp(t, { ...PLAIN, ...options })}`, { about: 'mail' });
    t.equal(error.code, code, error.message);
    t.match(error.failure, / 550$/);
  }
});

t.test('an abort signal ends the sending', async (t) => {
  const stopping = new AbortController();
  const address = await raw(t, () => stopping.abort());
  const send = openMail({ ...settings, url: `smtp://${address}` });
  await t.rejects(send?.(MAIL, stopping.signal) ?? Promise.resolve(), { name: 'MailRefused', code: 'interrupted' });
});

t.test('the errors of TLS, the system and nodemailer have their reasons', async (t) => {
  const cases = {
    certificate_untrusted: { code: 'ESOCKET', originalCode: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', command: 'CONN' },
    tls_failed: { code: 'ESOCKET', originalCode: 'ERR_SSL_UNSUPPORTED_PROTOCOL', command: 'CONN' },
    host_unreachable: { code: 'ESOCKET', originalCode: 'EHOSTUNREACH', command: 'CONN' },
    unexpected: { message: 'grace@example.com' },
  };
  for (const [code, error] of Object.entries(cases)) {
    t.equal(refusalOf(Object.assign(new Error('x'), error)).code, code);
    t.notMatch(refusalOf(Object.assign(new Error('x'), error)).message, /grace/);
  }
  t.same(describeFailure('EENVELOPE RCPT TO 550'), { code: 'unknown', detail: 'EENVELOPE RCPT TO 550', trace: '' });
  t.same(describeFailure('recipient_refused RCPT TO 550').trace, 'RCPT TO 550');
});
