// Names in the headers of mails. Each mail is decoded as the programs of its readers do: a strict program follows
// RFC 2047, and a lax one decodes encoded words everywhere, across folds, and again in what it has decoded.
import t from 'tap';
import { headerText } from '../../../src/base/mail/header-text.ts';
import { openMail } from '../../../src/base/mail/smtp.ts';
import { writeMail } from '../../../src/base/mail-kit/kit.ts';
import { mailKitFor } from '../../support/fixtures/mail-kit.ts';
import { openMailbox } from '../../support/servers/mailbox.ts';

const log = { debug() {}, info() {}, warn() {}, error() {}, fatal() {} };
const noSignal = new AbortController().signal;

const WORD = /=\?([^?\s]*)\?([bq])\?([^?]*)\?=/gi;
const STRICT = /(?<=^|\s)=\?([!#$%&'*+\-0-9A-Z^_`a-z{|}~]+)\?([bq])\?([!->@-~]*)\?=(?=\s|$)/gi;

function decodeWord(encoding: string, content: string): string {
  if (encoding.toLowerCase() === 'b') return Buffer.from(content, 'base64').toString('latin1');
  return content
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Decodes a header field once. Encoded words that stand next to each other are joined before their bytes are read. */
function decodeOnce(field: string, pattern: RegExp): string {
  const joined = field.replace(/(\?=)\s+(?==\?)/g, '$1');
  const runs = new RegExp(`(?:${WORD.source.replace(/\((?!\?)/g, '(?:')})+`, 'gi');
  return joined.replace(runs, (run, at: number) => {
    const before = joined[at - 1];
    if (pattern === STRICT && before !== undefined && !/\s/.test(before)) return run;
    const bytes = [...run.matchAll(WORD)].map(([, , encoding = '', content = '']) => decodeWord(encoding, content));
    return Buffer.from(bytes.join(''), 'latin1').toString('utf8');
  });
}

const strict = (field: string) => decodeOnce(field.replace(/\r\n(?=[ \t])/g, ''), STRICT);

/** Unfolds without the white space, decodes in quoted strings as well, and decodes five times in all. */
function lax(field: string): string {
  let shown = field.replace(/\r\n[ \t]+/g, '').replace(/["\\]/g, '');
  for (let turn = 0; turn < 5; turn += 1) shown = decodeOnce(shown, WORD);
  return shown;
}

function rawField(raw: string, name: string): string {
  return new RegExp(`^${name}: ((?:.|\\r\\n[ \\t])*)`, 'im').exec(raw)?.[1] ?? '';
}

t.test('both decoders of this test decode encoded words', async (t) => {
  for (const read of [strict, lax]) {
    t.equal(read('Invitation to =?utf-8?q?Evil=20Bank?='), 'Invitation to Evil Bank');
    t.equal(read('=?UTF-8?B?RXZpbA==?= =?utf-8?Q?_Bank?='), 'Evil Bank');
    t.equal(read('=?utf-8?q?=C3?=\r\n =?utf-8?q?=A9?='), 'é', 'a character may be split over two words');
  }
  t.equal(lax('=?utf-8?q?E\r\n vil?='), 'Evil', 'the lax one joins what was folded');
  t.equal(
    lax('"=?utf-8?q?=3D=3Futf-8=3Fq=3FEvil=3F=3D?="'),
    'Evil',
    'the lax one decodes the result again, even in quotes',
  );
});

const Q = '=?utf-8?q?Evil=20Bank?=';
const NAMES = [
  Q,
  `Acme ${Q} Ltd`,
  `Äcme ${Q} 株式会社 ${Q}`,
  '=?utf-8?b?RXZpbCBCYW5r?=',
  '=?ISO-8859-1*en?Q?Evil_Bank?=',
  '=?utf-8?q?Evil?= =?utf-8?q?_Bank?=',
  `"${Q}"`,
  `=\u200b?utf-8?q?Evil_Bank?\u200b=`,
  '=\u2060?utf-8\u2060?q?Evil_Bank?=',
  '＝？utf-8？q？Evil_Bank？＝',
  '=\n?utf-8?q?Evil_Bank?=',
  '==??utf-8?q?Evil_Bank??==',
  '=?=?utf-8?q?Evil_Bank?=?=',
  '=?utf-8?q?=3D=3Futf-8=3Fq=3FEvil=5FBank=3F=3D?=',
  `${'x'.repeat(40)} ${Q}`,
  `${'é'.repeat(30)}${Q}`,
  `${'='.repeat(20)}${'?'.repeat(20)}utf-8?q?Evil_Bank?=`,
  'knaB live\u202e',
  '\u2066Evil\u2069\u200f Bank',
  'Acme\r\nSubject: Evil Bank\r\n\r\nEvil',
  '\ud800Acme\udfff',
  'Acme\u3164\u115f\u034f',
];

t.test('no name changes the subject or the address of a mail for its reader', async (t) => {
  const mailbox = await openMailbox(t);
  const send = openMail({ url: mailbox.url, from: 'Acme <a@example.com>', production: false, log });
  for (const [index, name] of NAMES.entries()) {
    const to = `reader${index}@example.com`;
    const about = { organizationName: name, inviterName: name, token: 't', expiresAt: new Date(0) };
    const written = writeMail(mailKitFor(), 'invitation', 'en', about);
    await send?.({ to, ...written }, noSignal);
    const { raw, headers } = await mailbox.next(to);
    const subject = rawField(raw, 'Subject');
    for (const [reader, shown] of Object.entries({ strict: strict(subject), lax: lax(subject) })) {
      const compact = shown.replace(/\s/g, '');
      t.equal(compact, written.subject.replace(/\s/g, ''), `${reader}: ${JSON.stringify(name)}`);
      t.notMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\u3164\u115f]|\u034f/u, `${reader}: nothing invisible`);
      t.match(shown, /^Invitation to /);
    }
    t.notMatch(written.subject, /=\?|\?=/);
    t.strictSame([...headers.keys()].filter((key) => key === 'subject').length, 1);
    t.equal(strict(rawField(raw, 'To')), to);
    t.equal(lax(rawField(raw, 'From')), 'Acme <a@example.com>');
  }
});

t.test('the sender makes every subject safe and short', async (t) => {
  const mailbox = await openMailbox(t);
  const send = openMail({ url: mailbox.url, from: 'a@example.com', production: false, log });
  for (const [index, name] of [...NAMES, 'ü'.repeat(5000), `${Q} `.repeat(500)].entries()) {
    const to = `other${index}@example.com`;
    await send?.({ to, subject: `Hello ${name}`, text: 'x', html: 'x' }, noSignal);
    const { raw } = await mailbox.next(to);
    const subject = rawField(raw, 'Subject');
    const wanted = headerText(`Hello ${name}`).replace(/\s/g, '');
    for (const shown of [strict(subject), lax(subject)])
      t.equal(shown.replace(/\s/g, ''), wanted, JSON.stringify(name).slice(0, 80));
    t.ok([...strict(subject)].length <= 200);
    for (const line of raw.split('\r\n')) t.ok(Buffer.byteLength(line) <= 998, 'RFC 5322 §2.1.1');
  }
});

t.test('an ordinary name is unchanged', async (t) => {
  for (const name of [
    'Acme & Sons',
    'Привет, мир',
    '東京 = 日本?',
    'Ça va? = Oui!',
    '1 + 1 = 2',
    'Müller (Köln)',
    'العربية',
  ]) {
    t.equal(headerText(name), name.normalize('NFKC'));
  }
  t.equal(headerText('🦊 Fox'), '🦊 Fox');
});
