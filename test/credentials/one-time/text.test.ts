// The texts of one-time tokens and codes: which forms are accepted, and that every code is equally likely.
import t from 'tap';
import { systemRandom } from '../../../src/base/platform/random.ts';
import { codeHash, newCode, newToken, readCode, tokenHash } from '../../../src/credentials/one-time/text.ts';
import { testPersonal } from '../../support/personal.ts';

t.test('a token has 256 random bits, and only its one form is accepted', async (t) => {
  const token = newToken(systemRandom);
  t.match(token, /^[A-Za-z0-9_-]{43}$/);
  t.equal(Buffer.from(token, 'base64url').length, 32);
  t.not(newToken(systemRandom), token);
  t.match(tokenHash(token), /^[0-9a-f]{64}$/);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const same = [...alphabet]
    .map((last) => `${token.slice(0, 42)}${last}`)
    .filter((form) => Buffer.from(form, 'base64url').equals(Buffer.from(token, 'base64url')));
  t.equal(same.length, 4, 'four texts have the same bits');
  t.same(
    same.filter((form) => tokenHash(form) !== null),
    [token],
  );
  const wrong = ['', token.slice(1), `${token}A`, `${token}=`, ` ${token}`, `${token}\n`, token.replace(/^./, '+')];
  for (const text of [...wrong, `${token.slice(0, 42)}é`, 'A'.repeat(100_000)]) {
    t.equal(tokenHash(text), null, JSON.stringify(text.slice(0, 60)));
  }
});

t.test('a code is eight digits, with spaces and hyphens between them as people type them', async (t) => {
  for (const typed of ['12345678', '1234 5678', '1234-5678', '12 34 56 78', '1 - 2345678', '1-2-3-4-5-6-7-8']) {
    t.equal(readCode(typed), '12345678', typed);
  }
  t.equal(readCode('00000000'), '00000000');
  const wrong = [
    '',
    '1234567',
    '123456789',
    ' 12345678',
    '12345678\n',
    '-12345678',
    '1234\t5678',
    '1234567a',
    '1e345678',
  ];
  for (const typed of [...wrong, '１２３４５６７８', '١٢٣٤٥٦٧٨', `1${' '.repeat(60)}2345678`, '1'.repeat(100_000)]) {
    t.equal(readCode(typed), null, JSON.stringify(typed.slice(0, 60)));
  }
});

t.test('every code is equally likely: the numbers that would favour some codes are drawn again', async (t) => {
  const draws = [0xffff_ffff, 4_200_000_000, 4_199_999_999, 7];
  const random = {
    bytes(count: number) {
      const bytes = Buffer.alloc(count);
      bytes.writeUInt32BE(draws.shift() ?? 0);
      return bytes;
    },
  };
  t.equal(newCode(random), '99999999');
  t.equal(newCode(random), '00000007');
});

t.test('the hash of a code depends on its purpose, user and token', async (t) => {
  const of = { purpose: 'verify_email', userId: 'u', id: 'i', code: '12345678' };
  const others = [{ purpose: 'change_email' }, { userId: 'v' }, { id: 'j' }, { code: '12345679' }];
  const hashes = [of, ...others.map((other) => ({ ...of, ...other }))].map((one) => codeHash(testPersonal, one));
  t.equal(new Set(hashes).size, hashes.length);
  t.equal(codeHash(testPersonal, of), hashes[0]);
});
