// The texts that the estimator reads are short, whatever a password is made of, because its time grows fast with their
// length.
import t from 'tap';
import { PART_LENGTH, PARTS_MAX, partsOf, readings } from '../../../src/credentials/passwords/readings.ts';
import { PASSWORD_LENGTH_MAX } from '../../../src/credentials/passwords/text.ts';

const lengthOf = (text: string) => [...text].length;
const long = (text: string) => [...text.repeat(PASSWORD_LENGTH_MAX)].slice(0, PASSWORD_LENGTH_MAX).join('');

// The compatibility decompositions (NFKD) of these characters have up to 18 characters.
const GROWING = ['ﷺ', '㍱', '㎯', '㋿', 'ﬃ', '½', '⑴', '㈀', '🄐', '㏂'];
const MIXED = 'ﷺllo1ñleñﷺl-loﷺñﷺ㎯v𝔭ﷺopooﷺﷺelﷺﷺñvl２eop1vlﷺñ-lаé𝔭oveo㎯vloaﷺﷺv𝔭ee1';
const ODD = ['ё', 'aа', 'é', '한', '가', 'शक़', 'שּׁ', '😀', 'İ', 'p ', `a${'\u0301'.repeat(9)}`];

t.test('no text that the estimator reads is longer than a part, whatever the password is made of', (t) => {
  for (const text of [...GROWING, MIXED, ...ODD, ...GROWING.map((one) => `é${one} а`)]) {
    const parts = partsOf(long(text));
    t.ok(parts.length >= 1 && parts.length <= PARTS_MAX, `${text} …: ${parts.length} parts`);
    for (const part of parts) t.ok(lengthOf(part) <= PART_LENGTH);
    for (const reading of parts.flatMap((part) => readings(part))) t.ok(lengthOf(reading) <= PART_LENGTH, reading);
  }
  t.equal(lengthOf(MIXED), PART_LENGTH);
  t.ok(partsOf(MIXED).length > 1, 'the parts are cut from the compatible form');
  t.end();
});

t.test('no single character is longer in a text that the estimator reads than in its part', (t) => {
  for (let point = 0; point <= 0x10ffff; point += 1) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    for (const part of partsOf(String.fromCodePoint(point))) {
      for (const reading of readings(part)) {
        if (lengthOf(reading) > lengthOf(part)) t.fail(`U+${point.toString(16)} grows to ${reading}`);
      }
    }
  }
  t.end();
});

t.test('together, the parts of a password are the whole password, if none of its characters decomposes', (t) => {
  const password = Array.from({ length: PASSWORD_LENGTH_MAX }, (_, at) => String.fromCodePoint(0x4e00 + at)).join('');
  t.equal(partsOf(password).length, PASSWORD_LENGTH_MAX / PART_LENGTH);
  t.equal(partsOf(password).join(''), password);
  t.same(partsOf('short'), ['short']);
  t.same(partsOf(''), []);
  t.end();
});
