// The mail as a real mail server receives it: one recipient, no injected header lines, and one link, which comes from
// the configuration. Names become neither markup nor links.
import t from 'tap';
import { openMail } from '../../../src/base/mail/smtp.ts';
import { writeMail } from '../../../src/base/mail-kit/kit.ts';
import { plainName } from '../../../src/base/mail-kit/names.ts';
import type { About } from '../../../src/base/mail-kit/templates.ts';
import { newProvenAccount } from '../../support/fixtures/accounts.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';
import { openMailbox, tokenIn } from '../../support/servers/mailbox.ts';
import { freshEmail, openInviting } from './inviting.ts';

const log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
const noSignal = new AbortController().signal;

function writeInvitation(names: Pick<About<'invitation'>, 'organizationName' | 'inviterName'>) {
  return writeMail(mailKitFor(), 'invitation', 'en', { ...names, token: 'x'.repeat(43), expiresAt: new Date(0) });
}

t.test(
  'an invitation mail has one recipient, one link from the configuration, and suppresses automatic replies',
  async (t) => {
    const inviting = await openInviting(t, {
      PUBLIC_APP_URL: 'https://app.example',
      MAIL_FROM: 'Acme Mail <no-reply@acme.example>',
    });
    const email = freshEmail('Grace');
    const evil = { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'gopher' };
    const body = { email, roles: [{ role: 'agent' }] };
    await inviting.api.post('/invitations', body, { token: inviting.owner.accessToken, headers: evil });
    const mail = await inviting.mailbox.next(email);
    const link = `https://app.example/invitations/accept#token=${tokenIn(mail)}`;
    t.same(mail.recipients, [email]);
    t.equal(mail.headers.get('to'), email);
    t.equal(mail.headers.get('from'), 'Acme Mail <no-reply@acme.example>');
    t.equal(mail.headers.get('auto-submitted'), 'auto-generated');
    t.equal(mail.headers.has('cc') || mail.headers.has('bcc'), false);
    t.same(mail.text.match(/https?:\S+/g), [link]);
    t.same(mail.html.match(/https?:[^"]+/g), [link]);
    t.match(mail.text, /Ada Lovelace invites you to join Company/);
    t.match(mail.text, /until \w+ \d{1,2}, \d{4} at \d{2}:\d{2} UTC/);
  },
);

t.test('an organization’s name becomes neither markup nor a link nor a header', async (t) => {
  const inviting = await openInviting(t);
  const names = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    'Win at https://evil.example/login?a=1',
    'evil.example',
    'www.evil.example',
    'ada@evil.example',
    'Acme & Sons “Ltd”',
  ];
  for (const organizationName of names) {
    const account = await newProvenAccount(inviting.api, inviting.database, {
      organizationName,
      name: organizationName,
    });
    const email = freshEmail();
    await inviting.invite(email, 'agent', account.accessToken);
    const mail = await inviting.mailbox.next(email);
    t.notMatch(mail.html, /<(script|img)/i, organizationName);
    t.same(mail.html.match(/<a /g)?.length, 1, 'one link');
    for (const body of [mail.text, mail.html.replace(/href="[^"]*"|<style>[\s\S]*<\/style>/g, '')]) {
      const names = body.replace(/^http:\/\/localhost:3000\S+$/m, '');
      t.notMatch(names, /evil\.example|:\/\/|www\.|@/, organizationName);
    }
    t.same(mail.recipients, [email]);
  }
});

t.test('special characters of a name are plain text in the HTML', async (t) => {
  const name = `Acme & "Sons" 'Ltd' &lt;`;
  const { html, text } = writeInvitation({ organizationName: name, inviterName: name });
  t.ok(text.includes(name));
  t.ok(html.includes('Acme &amp; &quot;Sons&quot; &#39;Ltd&#39; &amp;lt;'));
});

t.test('a line break in a name does not start a new header line', async (t) => {
  const mailbox = await openMailbox(t);
  const send = openMail({ url: mailbox.url, from: 'a@example.com', production: true, log });
  const name = 'Acme\r\nBcc: victim@example.com\r\n\r\nHello\u2028there\u0000';
  const written = writeInvitation({ organizationName: name, inviterName: name });
  const to = freshEmail();
  await send?.({ to, ...written }, noSignal);
  // A line break that no earlier step has removed does not get into the header either.
  await send?.({ to, ...written, subject: 'A\r\nBcc: victim@example.com' }, noSignal);
  for (const mail of [await mailbox.next(to), await mailbox.next(to)]) {
    t.notOk(mail.headers.has('bcc'));
    t.same(mail.recipients, [to]);
  }
});

t.test('an address is always one recipient, whatever characters it contains', async (t) => {
  const mailbox = await openMailbox(t);
  const send = openMail({ url: mailbox.url, from: 'a@example.com', production: true, log });
  const mail = { subject: 's', text: 't', html: 'h' };
  for (const to of ['a@example.com, b@example.com', 'x <a@example.com>, y <b@example.com>', 'g: a@example.com;']) {
    await send?.({ ...mail, to }, noSignal).catch(() => undefined);
  }
  t.ok(mailbox.mails.every(({ recipients }) => recipients.length === 1));
  await send?.({ ...mail, to: 'ada@bücher.example' }, noSignal);
  t.equal(mailbox.mails.at(-1)?.headers.get('to'), 'ada@xn--bcher-kva.example');
});

t.test('without a mail server the mail is written to the log for the developer', async (t) => {
  const lines: unknown[] = [];
  const send = openMail({
    url: undefined,
    from: 'a@example.com',
    production: false,
    log: { ...log, info: (line: unknown) => void lines.push(line) },
  });
  await send?.({ to: 'b@example.com', subject: 's', text: 'link#token=x', html: 'h' }, noSignal);
  t.same(lines, [{ to: 'b@example.com', subject: 's', text: 'link#token=x' }]);
});

t.test('a name is cut after sixty characters, and no character is split', async (t) => {
  t.equal(plainName('Ada Lovelace'), 'Ada Lovelace');
  t.equal(plainName('  Zoë   von Trapp '), 'Zoë von Trapp');
  t.equal(plainName('St. Mary’s'), 'St. Mary’s');
  t.equal(plainName('株式会社'), '株式会社');
  t.equal([...plainName('𝄞'.repeat(200))].length, 60);
  t.equal(plainName('evil。example ｗｗｗ．evil．example'), 'evil example www evil example');
  t.equal(plainName('http://evil.example'), 'http evil example');
  t.equal(plainName('\u202egnp.exe'), 'gnp exe');
  t.equal(plainName('\u200b'), '');
  const nameless = writeInvitation({ organizationName: '\u200b', inviterName: null });
  t.match(nameless.text, /^You are invited to join an organization\.\n/);
});

t.test('in production a remote mail server must offer STARTTLS, unless the URL makes it optional', async (t) => {
  const mailbox = await openMailbox(t, 0, '0.0.0.0'); // no name of this machine, to which it leads
  const mail = { to: freshEmail(), subject: 's', text: 't', html: 'h' };
  const settings = { from: 'a@example.com', production: true, log };
  const strict = openMail({ ...settings, url: mailbox.url });
  await t.rejects(strict?.(mail, noSignal) ?? Promise.resolve(), { name: 'MailRefused', message: /TLS/ });
  t.same(mailbox.mails, []);
  await openMail({ ...settings, url: `${mailbox.url}?tls=optional` })?.(mail, noSignal);
  t.same((await mailbox.next(mail.to)).recipients, [mail.to]);
});
