// Entity tags and conditional request headers: what they mean, and which values are refused.
import t from 'tap';
import { assertConditions, readConditions, type SentHeaders } from '../../../src/base/headers/conditions.ts';
import { etagOf, matchesStrongly, matchesWeakly, readTags } from '../../../src/base/headers/etag.ts';

t.test('a tag is strong, depends on the text alone, and differs for different texts', async (t) => {
  t.match(etagOf('{"data":1}'), /^"[\w-]{22}"$/);
  t.equal(etagOf('{"data":1}'), etagOf('{"data":1}'));
  t.not(etagOf('{"data":1}'), etagOf('{"data":2}'));
});

t.test('a header is one star or a list of tags (RFC 9110 §8.8.3, §13.1.1)', async (t) => {
  t.equal(readTags(' * '), 'any');
  t.same(readTags('"a"'), [{ opaque: '"a"', isWeak: false }]);
  t.same(readTags('W/"a"'), [{ opaque: '"a"', isWeak: true }]);
  t.same(readTags('"a,b" , ,"",W/"c"'), [
    { opaque: '"a,b"', isWeak: false },
    { opaque: '""', isWeak: false },
    { opaque: '"c"', isWeak: true },
  ]);
  const wrong = [
    '',
    ' ',
    ',',
    'a',
    '"a',
    'a"',
    '"a" "b"',
    'w/"a"',
    'W/ "a"',
    '*, "a"',
    '"a", *',
    '"a";q=1',
    '"a b"',
    '"a"x',
  ];
  t.same(
    wrong.filter((value) => readTags(value) !== null),
    [],
    'everything else is malformed',
  );
  t.equal(readTags(Array(101).fill('"a"').join()), null, 'more than 100 tags');
});

t.test('If-Match compares strongly, If-None-Match weakly', async (t) => {
  const weak = readTags('W/"a"') ?? [];
  const list = readTags('"b", "a"') ?? [];
  t.same([matchesStrongly(weak, '"a"'), matchesWeakly(weak, '"a"')], [false, true]);
  t.same([matchesStrongly(list, '"a"'), matchesStrongly(list, '"c"')], [true, false]);
  t.same([matchesStrongly('any', '"c"'), matchesWeakly('any', '"c"')], [true, true]);
});

function sent(...lines: [string, string][]): SentHeaders {
  const headers: Record<string, string> = {};
  for (const [name, value] of lines) {
    const key = name.toLowerCase();
    headers[key] = key in headers ? `${headers[key]}, ${value}` : value;
  }
  return { headers, rawHeaders: lines.flat() };
}

t.test('a condition that is malformed or sent twice is refused and never counts as met', async (t) => {
  for (const name of ['If-Match', 'If-None-Match']) {
    for (const value of ['', 'abc', '"abc', '*, "a"']) {
      t.throws(() => readConditions(sent([name, value])), { code: 'bad_request' }, `${name}: ${value}`);
    }
    t.throws(() => readConditions(sent([name, '"a"'], [name.toUpperCase(), '"a"'])), { code: 'bad_request' }, 'twice');
  }
  t.same(readConditions(sent()), { match: null, noneMatch: null });
});

t.test('a condition holds for the tag that it names', async (t) => {
  const judge = (...lines: [string, string][]) => {
    try {
      assertConditions(readConditions(sent(...lines)), '"now"');
      return 'holds';
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  t.equal(judge(), 'holds');
  t.equal(judge(['If-Match', '"now"']), 'holds');
  t.equal(judge(['If-Match', '"old", "now"']), 'holds');
  t.equal(judge(['If-Match', '*']), 'holds');
  t.equal(judge(['If-Match', '"old"']), 'precondition_failed');
  t.equal(judge(['If-Match', 'W/"now"']), 'precondition_failed');
  t.equal(judge(['If-None-Match', '"old"']), 'holds');
  t.equal(judge(['If-None-Match', 'W/"now"']), 'precondition_failed');
  t.equal(judge(['If-None-Match', '*']), 'precondition_failed');
  t.equal(judge(['If-Match', '"now"'], ['If-None-Match', '"now"']), 'precondition_failed');
});
