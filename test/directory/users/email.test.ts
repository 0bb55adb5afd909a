// Which texts are valid e-mail addresses, and which addresses are equal.
import t from 'tap';
import { parseEmail } from '../../../src/directory/users/email.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';

/** Escapes a text for a test title, because characters other than a line feed also end a line of a test report. */
function inAscii(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

t.test('an address is compared in its canonical form, and keeps its spelling', async (t) => {
  const same: [typed: string, key: string][] = [
    ['ada@example.com', 'ada@example.com'],
    ['Ada@Example.COM', 'ada@example.com'],
    ['ada+tag@example.com', 'ada+tag@example.com'],
    ["o'hara_{x}@example.co.uk", "o'hara_{x}@example.co.uk"],
    ['ada@Bücher.example', 'ada@xn--bcher-kva.example'],
    ['ada@xn--bcher-kva.example', 'ada@xn--bcher-kva.example'],
    ['ada@bu\u0308cher.example', 'ada@xn--bcher-kva.example'],
    ['ada@example。com', 'ada@example.com'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
    [`ada@${'a'.repeat(63)}.example`, `ada@${'a'.repeat(63)}.example`],
  ];
  for (const [typed, key] of same) t.same(parseEmail(typed), { address: typed.normalize('NFC'), key }, typed);
  t.same(
    parseEmail('  ada@example.com '),
    { address: 'ada@example.com', key: 'ada@example.com' },
    'spaces around the address are removed',
  );
});

t.test('a text that is not exactly one address is refused', async (t) => {
  const wrong = [
    '',
    'ada',
    '@example.com',
    'ada@',
    'ada@localhost',
    'a@b@example.com',
    'ada@example.com,eve@example.com',
    'ada@example.com/,eve',
    'ada@example.com;eve@example.com',
    '<ada@example.com>',
    'Ada <ada@example.com>',
    '"ada"@example.com',
    '"a@b"@example.com',
    'ada@[127.0.0.1]',
    'ada@[IPv6:::1]',
    'ada@127.0.0.1',
    'ada@1.2',
    'ada@0x7f.1',
    'ada%40example.com',
    'ada@example.com:25',
    'ada@example.com/..',
    'ada@example.com?x',
    'ada@example.com#x',
    'ada@ex%61mple.com',
    'ada@example.com\\x',
    'ada@example..com',
    'ada@.example.com',
    'ada@example.com.',
    'ada@-a.example',
    'ada@a-.example',
    'ada@ex_ample.com',
    '.ada@example.com',
    '=?x?q?admin=40evil.com=3e=20?=@b.com',
    'ada.@example.com',
    'a..b@example.com',
    'a b@example.com',
    'ada@exam ple.com',
    `${'a'.repeat(65)}@example.com`,
    `ada@${'a'.repeat(64)}.example`,
    `ada@${'a.'.repeat(200)}example`,
  ];
  for (const typed of wrong) t.equal(parseEmail(typed), null, typed.slice(0, 60));
});

t.test('an address with a line break, control or invisible character is refused', async (t) => {
  const hidden = [
    '\n',
    '\r\n',
    '\t',
    '\0',
    '\u007f',
    '\u0085',
    '\u00a0',
    '\u00ad',
    '\u200b',
    '\u200e',
    '\u2028',
    '\ufeff',
    '\ud800',
  ];
  for (const character of hidden) {
    for (const typed of [
      `ada@example.com${character}`,
      `${character}ada@example.com`,
      `a${character}da@example.com`,
      `ada@exam${character}ple.com`,
    ]) {
      t.equal(parseEmail(typed), null, inAscii(typed));
    }
  }
  t.equal(parseEmail('ada@example.com\nBcc: eve@example.com'), null);
});

t.test('an address with characters outside ASCII before the domain is refused, even if it looks right', async (t) => {
  for (const typed of [
    'ａda@example.com',
    'ﬁona@example.com',
    'аda@example.com',
    'ädä@example.com',
    'İda@example.com',
    'ada＠example.com',
  ]) {
    t.equal(parseEmail(typed), null, typed);
  }
});

t.test('over HTTP an account is found by another spelling of its address, and created only once', async (t) => {
  const { api } = await openService(t, await createDatabase(t));
  const { password } = await newAccount(api, { email: 'Ada@Bücher.example' });
  const again = await api.post('/auth/register', { email: 'ada@xn--bcher-kva.EXAMPLE', password, name: 'Ada' });
  t.equal(again.code, 'email_taken');
  const login = await api.post('/auth/login', { email: ' ADA@bücher.example ', password });
  t.equal(login.status, 200);
  t.equal(login.body.data.user.email, 'Ada@Bücher.example', 'as typed');
  const broken = await api.post('/auth/register', { email: 'eve@example.com\n', password, name: 'Eve' });
  t.equal(broken.code, 'validation_failed');
  t.match(broken.body.issues, [{ path: 'email' }]);
});
