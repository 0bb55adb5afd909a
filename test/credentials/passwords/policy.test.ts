/** The rules for new passwords: how length is counted, which passwords are refused, and what a refusal says. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import { foldPassword, isCommonPassword } from '../../../src/credentials/passwords/blocklist.ts';
import { judgePassword, PASSWORD_LENGTH_MAX, type PasswordContext } from '../../../src/credentials/passwords/policy.ts';

const problemOf = (password: string, context: PasswordContext = {}, minLength = 8) =>
  judgePassword(password, context, minLength)?.problem ?? null;

const listed = gunzipSync(
  readFileSync(new URL('../../../src/credentials/passwords/common-passwords.txt.gz', import.meta.url)),
)
  .toString()
  .trimEnd()
  .split('\n');

t.test('length is counted in code points after NFC', (t) => {
  t.equal(PASSWORD_LENGTH_MAX, 256);
  t.equal(problemOf('xk4wqzp'), 'too_short');
  t.equal(problemOf('xk4wqzpm'), null);
  t.equal(problemOf('🦊🐢🌵🍋🧩🎈🪁'), 'too_short', 'seven emoji are seven, not fourteen');
  t.equal(problemOf('🦊🐢🌵🍋🧩🎈🪁🥁'), null);
  t.equal(problemOf('e\u0301'.repeat(7)), 'too_short', 'a letter and its accent are one');
  t.equal(problemOf(`${'e\u0301'.repeat(7)}x`), null);
  t.equal(problemOf('q\u0301'.repeat(4)), null, 'an accent without a composed letter counts alone');
  t.equal(problemOf('xk4w qzpm 7h vb', {}, 15), null, 'exactly the configured minimum');
  t.equal(problemOf('xk4w qzpm 7h v', {}, 15), 'too_short');
  t.end();
});

t.test('a password of 256 code points is accepted, and one of 257 is refused', (t) => {
  t.equal(problemOf('ż'.repeat(256)), null);
  t.equal(problemOf('ż'.repeat(257)), 'too_long');
  t.equal(problemOf('🦊'.repeat(256)), null, '1024 bytes');
  t.equal(problemOf('🦊'.repeat(257)), 'too_long');
  t.equal(problemOf('\u1f82'.normalize('NFD').repeat(256)), null, 'the longest spelling of 256 letters');
  t.equal(problemOf('\u1f82'.normalize('NFD').repeat(257)), 'too_long');
  t.equal(problemOf('\u{16126}'.normalize('NFD').repeat(256)), null);
  t.equal(problemOf('x'.repeat(10_240)), 'too_long');
  t.equal(problemOf('a\u0301\u0316'.repeat(1_000_000)), 'too_long', 'refused before it is normalised');
  t.end();
});

t.test('unpaired surrogates and NUL are refused, and every other character is allowed', (t) => {
  for (const password of ['\ud800xk4wqzpm', 'xk4wqzpm\udfff', 'xk4w\udc00\ud800qzpm', 'xk4w\0qzpm']) {
    t.equal(problemOf(password), 'invalid_characters', JSON.stringify(password));
  }
  for (const password of [
    '   xk4w   ',
    'xk4w\tqzpm\n',
    'пароль от почты 7',
    '合言葉は山と川です',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467} xk4w',
    "'; DROP TABLE x",
  ]) {
    t.equal(problemOf(password), null, JSON.stringify(password));
  }
  t.end();
});

t.test('a password needs no mix of letters, digits and signs', (t) => {
  for (const password of ['mauveotterlanterns', '70361948257301', 'MAUVEOTTERLANTERNS', 'mauve otter lanterns']) {
    t.equal(problemOf(password), null, password);
  }
  t.end();
});

t.test('common passwords are refused in any case, with full-width characters, and with spaces at the ends', (t) => {
  for (const password of [
    'password',
    'Password1',
    'PASSWORD123',
    'qwertyuiop',
    'iloveyou1',
    '12345678',
    'p@ssw0rd',
    'ｐａｓｓｗｏｒｄ',
    ' letmein1 ',
    'Trustno1',
    '!QAZ2wsx',
    'zaq12wsxCDE34rfv',
  ]) {
    t.equal(problemOf(password), 'common', password);
  }
  t.end();
});

t.test('every password of the list is refused, and similar passwords are not', (t) => {
  t.ok(listed.length > 50_000);
  const set = new Set(listed);
  t.equal(set.size, listed.length, 'each once');
  t.equal(
    listed.find((line) => [...line].length < 8 || foldPassword(line) !== line),
    undefined,
  );
  t.equal(
    listed.find((line, i) => i > 0 && Buffer.compare(Buffer.from(listed[i - 1] ?? ''), Buffer.from(line)) >= 0),
    undefined,
  );
  t.equal(
    listed.find((line) => !isCommonPassword(line)),
    undefined,
  );
  const neighbours = listed.flatMap((line) => [`${line}\u0001`, `${line}~`, line.slice(0, -1), line.slice(1)]);
  t.equal(
    neighbours.find((text) => isCommonPassword(text) !== set.has(foldPassword(text))),
    undefined,
  );
  for (const text of ['', '\n', `${listed[0]}\n${listed[1]}`, '\u0000', '\u{10ffff}'.repeat(8)])
    t.notOk(isCommonPassword(text));
  t.end();
});

t.test('the e-mail address, its local part and the organization are refused in any case and spacing', (t) => {
  const context = { email: 'Ada.Lovelace@Example.org', organizationName: 'Analytical Engines Ltd' };
  for (const password of [
    'ada.lovelace@example.org',
    'ADA.LOVELACE',
    ' ada.lovelace ',
    'ada .love lace',
    'analytical engines ltd',
    'AnalyticalEnginesLtd',
    'Analytical  Engines  Ltd',
    'analytical\u00a0engines ltd',
    'ａｎａｌｙｔｉｃａｌ engines ltd',
  ]) {
    t.equal(problemOf(password, context), 'matches_context', password);
  }
  for (const password of ['ada.lovelace1', 'analytical engines', 'example.org', 'lovelace.ada']) {
    t.equal(problemOf(password, context), null, password);
  }
  t.equal(problemOf('jos\u00e9-bar\u00f3n', { organizationName: 'Jose\u0301-Baro\u0301n' }), 'matches_context');
  t.equal(problemOf('ada.lovelace', {}), null, 'the password is refused only in its context');
  t.equal(problemOf('        ', { email: '', organizationName: '  ' }), 'common', 'an empty word matches nothing');
  t.end();
});

t.test('every refusal says what to do next', (t) => {
  const refusals = [
    judgePassword('short', {}, 15),
    judgePassword('x'.repeat(300), {}, 8),
    judgePassword('password', {}, 8),
    judgePassword('ada.lovelace', { email: 'ada.lovelace@example.org' }, 8),
    judgePassword('\ud800', {}, 8),
  ];
  t.same(
    refusals.map((refusal) => refusal?.problem),
    ['too_short', 'too_long', 'common', 'matches_context', 'invalid_characters'],
  );
  t.match(refusals[0]?.message, '15');
  for (const refusal of refusals) t.match(refusal?.message, /^(Use|Choose|Type) .+\.$|^Type .+\)\.$/);
  t.end();
});
