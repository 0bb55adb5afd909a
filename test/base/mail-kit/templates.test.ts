// Every kind of mail in every language: its text and its HTML say the same, its links come from the configuration, and
// what people choose is neither markup nor a link in it.
import t from 'tap';
import { openMail } from '../../../src/base/mail/smtp.ts';
import { writeMail } from '../../../src/base/mail-kit/kit.ts';
import { maskedEmail, plainName } from '../../../src/base/mail-kit/names.ts';
import { type About, TEMPLATES, type TemplateName } from '../../../src/base/mail-kit/templates.ts';
import { LANGUAGES } from '../../../src/base/page-kit/language.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';
import { openMailbox } from '../../support/servers/mailbox.ts';
import { HOSTILE } from '../page-kit/hostile.ts';
import { DIGITS, samplesWith, TOKEN } from './samples.ts';

const KINDS = Object.keys(TEMPLATES) as TemplateName[];
const kit = mailKitFor();
const log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
const noSignal = new AbortController().signal;

const NAMES = [
  ...HOSTILE,
  'https://evil.example/login?a=1',
  'Win at www.evil.example',
  'ada@evil.example',
  'mailto:ada@evil.example',
  'javascript:alert(1)',
  'evil。example ｗｗｗ．evil．example',
  '=?utf-8?q?Evil=20Bank?=',
  '=?utf-8?b?RXZpbCBCYW5r?=',
  'Acme\r\nBcc: victim@example.com\r\n\r\nEvil',
  '\u2066Evil\u2069\u202e Bank',
  '\u2069\u2068<b>',
  'x'.repeat(10_000),
  '🏳️‍🌈'.repeat(3000),
];

/** The links of the mail of each kind. */
const LINKS: Readonly<Record<TemplateName, readonly string[]>> = {
  registration: [`/verify-email#token=${TOKEN}`],
  verify_email: [`/verify-email#token=${TOKEN}`],
  reset_password: [`/reset-password#token=${TOKEN}`],
  account_exists: ['/sign-in', '/forgot-password'],
  email_change_confirm: [`/confirm-email#token=${TOKEN}`],
  email_change_notice: [`/revert-email#token=${TOKEN}`],
  password_changed: ['/forgot-password'],
  new_device: ['/account/devices'],
  account_closed: [],
  invitation: [`/invitations/accept#token=${TOKEN}`],
  organization_suspended: [],
};
const isProof = (kind: TemplateName) => kind === 'verify_email' || kind === 'registration';
const WITH_CODE = new Set<TemplateName>(['verify_email', 'registration', 'reset_password', 'email_change_confirm']);

function everyMail(text: string) {
  return KINDS.flatMap((kind) =>
    LANGUAGES.map((language) => {
      const about: About<TemplateName> = samplesWith(text)[kind];
      return { kind, language, ...writeMail(kit, kind, language, about) };
    }),
  );
}

const shown = (html: string) => html.replace(/<style>[\s\S]*?<\/style>|<\/?bdi>/g, '').replace(/<[^>]*>/g, ' ');
const words = (text: string) =>
  text
    .replace(/&(amp|lt|gt|quot|#39|#96);/g, (_, name: string) => SIGNS[name] ?? '')
    .replace(/\s+/g, ' ')
    .trim();
const SIGNS: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' };

t.test('the text and the HTML of a mail have the same links and the same code', async (t) => {
  for (const { kind, language, text, html } of everyMail('Ada')) {
    const about = `${kind} ${language}`;
    const wanted = LINKS[kind].map((path) => `https://app.example${path}`);
    t.same(text.match(/https?:\S+/g) ?? [], wanted, about);
    t.same(
      [...html.matchAll(/href="([^"]*)"/g)].map(([, href]) => href),
      wanted,
      about,
    );
    t.same(html.match(/https?:/g)?.length ?? 0, wanted.length, `${about}: nothing comes from elsewhere`);
    t.notMatch(html, /<(img|link|script|iframe|object)|url\(|src=/i, about);
    for (const part of [text, shown(html)]) {
      t.same(part.match(/\b\d{8}\b/g) ?? [], WITH_CODE.has(kind) ? [DIGITS] : [], about);
    }
  }
});

t.test('the HTML of a mail says every sentence of its text', async (t) => {
  for (const { kind, language, text, html } of everyMail('Ada')) {
    const said = words(shown(html));
    const [body = ''] = text.split('\n-- \n');
    for (const line of body.split('\n').filter((part) => part !== '' && !part.startsWith('https:'))) {
      const [fact = '', value = ''] = /^[^:.]{1,20}: /.test(line) ? line.split(/: (.*)/) : [line];
      const sentence = value === '' ? line.replace(/:$/, '') : fact;
      t.ok(said.includes(words(sentence)), `${kind} ${language}: ${sentence}`);
    }
  }
});

t.test('a mail is in the language of its recipient, and says so', async (t) => {
  const subjects = new Set<string>();
  for (const { kind, language, subject, html } of everyMail('Ada')) {
    t.match(html, new RegExp(`<html lang="${language}" dir="ltr">`));
    subjects.add(`${kind}: ${subject}`);
  }
  t.equal(subjects.size, KINDS.length * LANGUAGES.length, 'no subject is the same in two languages');
  const about = samplesWith('Ada').account_closed;
  t.same(writeMail(kit, 'account_closed', null, about), writeMail(kit, 'account_closed', 'en', about));
  const spanish = { ...kit, defaultLanguage: 'es' as const };
  t.same(writeMail(spanish, 'account_closed', null, about), writeMail(kit, 'account_closed', 'es', about));
});

t.test('a time is in the language of the mail, and names its zone', async (t) => {
  const about = { at: new Date('2026-12-02T09:05:00Z') };
  t.match(writeMail(kit, 'account_closed', 'en', about).text, 'December 2, 2026 at 09:05 UTC');
  t.match(writeMail(kit, 'account_closed', 'pt', about).text, '2 de dezembro de 2026 às 09:05 UTC');
  t.match(writeMail(kit, 'account_closed', 'es', about).text, /2 de diciembre de 2026 a las 09:05 UTC/);
});

t.test('what people choose is neither markup nor a link nor a header', async (t) => {
  const tagsOf = (html: string) => (html.match(/<[a-z!/][^\s>]*/gi) ?? []).filter((tag) => !/bdi/.test(tag)).join(' ');
  const usual = new Map(everyMail('Ada').map(({ kind, language, html }) => [`${kind} ${language}`, tagsOf(html)]));
  for (const name of NAMES) {
    const faults: string[] = [];
    for (const { kind, language, subject, text, html } of everyMail(name)) {
      const fault = (what: string, part: string) => void faults.push(`${kind} ${language}: ${what} in ${part}`);
      if (/\s(on\w+|src|autofocus)=/i.test(html.replace(/>[^<]*</g, '><'))) fault('an attribute', html);
      // A device, a network or a name of which nothing can be shown is left out, together with its tags.
      const isWhole = plainName(name) !== '' && !/device|password_changed/.test(kind);
      if (isWhole && tagsOf(html) !== usual.get(`${kind} ${language}`)) fault('a tag', html);
      for (const part of [text, shown(html), subject]) {
        const others = part.replace(/https:\/\/app\.example\/\S*/g, '');
        if (/:\/\/|www\.|evil\.example|\w@\w|mailto:|javascript:/i.test(others)) fault('a link', part);
        if (/=\?|\?=|[\u202a-\u202e\u2066-\u2069\0\r]|\p{Cs}/u.test(part)) fault('a sign', part);
        if (part.length > 3000) fault(`${part.length} characters`, part);
      }
      if (/\n/.test(subject)) fault('a line break', subject);
    }
    t.same(faults, [], JSON.stringify(name).slice(0, 60));
  }
});

t.test('a mail server receives each mail with the names as they are written', async (t) => {
  const mailbox = await openMailbox(t);
  const send = openMail({ url: mailbox.url, from: 'a@example.com', production: false, log });
  const some = NAMES.filter((name) => /evil|Bcc|script|x{100}/i.test(name));
  for (const [index, name] of some.entries()) {
    for (const { kind, language, ...written } of everyMail(name)) {
      const to = `reader-${index}-${kind}-${language}@example.com`;
      await send?.({ to, ...written }, noSignal);
      const mail = await (isProof(kind) ? mailbox.nextProof(to) : mailbox.next(to));
      t.same(mail.recipients, [to]);
      t.notOk(mail.headers.has('bcc'));
      t.equal(mail.headers.get('auto-submitted'), 'auto-generated');
      t.equal(mail.text.replace(/\r\n/g, '\n').trim(), written.text.trim(), `${kind} ${language}`);
      t.equal(mail.html.replace(/\r\n/g, '\n').trim(), written.html.trim(), `${kind} ${language}`);
    }
  }
});

t.test('a mail without a device, a network or a code leaves them out', async (t) => {
  const at = new Date(0);
  const bare = writeMail(kit, 'password_changed', 'en', { at, device: null, network: null });
  t.notMatch(bare.text, /Device|Network/);
  t.match(writeMail(kit, 'new_device', 'en', { at, device: null, network: '192.0.2.0/24' }).text, /Device: unknown\n/);
  const device = { browser: 'Firefox', system: 'Linux' };
  const { text } = writeMail(kit, 'new_device', 'en', { at, device, network: '2001:db8::/48' });
  t.match(text, /Device: Firefox on Linux\nNetwork: 2001:db8::\/48\n/);
  const codeless = writeMail(kit, 'verify_email', 'en', {
    token: TOKEN,
    expiresAt: at,
    code: null,
    codeExpiresAt: null,
  });
  t.notMatch(codeless.text + codeless.html, /code(?! \{)(?!")/i);
});

t.test('an address is masked', async (t) => {
  t.equal(maskedEmail('ada@mail.example.com'), 'a***@m***.com');
  t.equal(maskedEmail('Zoë@example.co.uk'), 'Z***@e***.uk');
  t.equal(maskedEmail('<b>@evil.example'), '***@e***.example');
  t.equal(maskedEmail('nonsense'), '***@n***');
});
