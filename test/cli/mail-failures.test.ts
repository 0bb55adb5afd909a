// A mail server that does not accept mail is explained by the same words in the log of the service, by
// `tenantry doctor`, and by `tenantry mail list`.
import t from 'tap';
import { MAIL_FAILURES, type MailFailure } from '../../src/base/mail/failures.ts';
import { openMail } from '../../src/base/mail/smtp.ts';
import { HERE_CERTIFICATE } from '../base/mail/certificates.ts';
import { REFUSES_CREDENTIALS, raw, smtp, wantsTls } from '../base/mail/servers.ts';
import { keepingLog, openQuiet, outboxOf, rowOf } from '../base/outbox/rows.ts';
import { freshEmail } from '../directory/invitations/inviting.ts';
import { freePort } from '../support/servers/process.ts';
import { cliOn } from './command-line.ts';

const inviting = await openQuiet(t);
const { database } = inviting;
const escaped = (text: string) => text.replace(/[^\w ]/g, '\\$&');

/** The doctor finds each cause, except one that a server reports only when it gets a mail. */
interface Case {
  readonly code: MailFailure;
  readonly url: string;
  readonly isFoundByDoctor?: false;
}

/** The cases, in the order of what can be wrong: the address, the certificate, TLS, the credentials. */
const CASES: readonly Case[] = [
  { code: 'connection_refused', url: `smtp://127.0.0.1:${await freePort()}` },
  { code: 'host_not_found', url: 'smtp://mail.tenantry.invalid:25' },
  { code: 'certificate_untrusted', url: `smtps://${await smtp(t, { secure: true, ...HERE_CERTIFICATE })}` },
  { code: 'tls_not_spoken', url: `smtps://${await smtp(t, { disabledCommands: ['STARTTLS', 'AUTH'] })}` },
  { code: 'timeout', url: `smtp://${await smtp(t, { secure: true })}` }, // the port expects TLS at once
  { code: 'tls_required', url: `smtp://${await raw(t, wantsTls)}`, isFoundByDoctor: false },
  { code: 'credentials_refused', url: `smtp://user-1:pass-of-user@${await smtp(t, REFUSES_CREDENTIALS)}` },
];

for (const { code, url, isFoundByDoctor = true } of CASES) {
  t.test(`${code}: the log, the doctor and the list of mails say the same, and what to do`, async (t) => {
    const words = escaped(MAIL_FAILURES[code]);
    const email = freshEmail();
    t.equal((await inviting.invite(email)).status, 201);
    const log = keepingLog();
    const settings = { url, from: 'a@example.com', production: false, log };
    await outboxOf(inviting, openMail(settings), { log }).sendDue();
    t.match(log.lines, [new RegExp(`"failure":"${code}".*"reason":"${words}".*waits for the next attempt`)]);

    const { id } = await rowOf(inviting, email);
    const listed = await cliOn(database)('mail', 'list', '--state', 'waiting');
    t.match(listed.stdout, new RegExp(`^${id} +invitation +waiting .* ${code}$`, 'm'));
    t.match(listed.stdout, new RegExp(`^${code} \\([^)]+\\): ${words}$`, 'm'));

    const doctor = await cliOn(database, { SMTP_URL: url })('doctor');
    const line = /^\w+ +mail .*$/m.exec(doctor.stdout)?.[0] ?? '';
    if (isFoundByDoctor)
      t.match(line, new RegExp(`^fail +mail +\\S+ does not accept mail: ${words} \\[${code}\\b.*\\]`));
    else t.match(line, /^ok +mail /);
    for (const text of [...log.lines, listed.stdout, doctor.stdout]) t.notMatch(text, /pass-of-user|no such user/);
    const drop = await cliOn(database)('mail', 'drop', id, '--yes');
    t.equal(drop.status, 0, drop.stderr);
  });
}

t.test('what a person does about an unknown certificate and a wrong port is said in words', async (t) => {
  t.match(MAIL_FAILURES.certificate_untrusted, 'NODE_EXTRA_CA_CERTS');
  t.match(MAIL_FAILURES.timeout, 'smtps://');
  t.match(MAIL_FAILURES.tls_not_spoken, 'smtp://');
  t.match(MAIL_FAILURES.tls_required, 'STARTTLS');
});
