// A comment above each long statement names its parameters, so that a reader of $7 need not count the values of the
// call.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';

const UNNAMED_MAX = 3;
const DECLARED = /^(?:export )?(?:const|function|async function) (\w+)/;

interface Declared {
  readonly name: string;
  /** The parameters of the SQL, and the parameters that the comment above the SQL names. */
  readonly used: readonly number[];
  readonly named: ReadonlySet<number>;
}

/** The top-level constants and functions of a file, with the parameters of the SQL in each. */
function declarationsOf(text: string): Declared[] {
  const found: { name: string; comment: string[]; code: string[] }[] = [];
  let comment: string[] = [];
  for (const line of text.split('\n')) {
    const name = DECLARED.exec(line)?.[1];
    const isComment = /^(\/\/|\/\*\*| \*)/.test(line);
    if (name) found.push({ name, comment, code: [line] });
    else if (!isComment) found.at(-1)?.code.push(line);
    comment = isComment ? [...comment, line] : [];
  }
  return found.map(({ name, ...of }) => ({
    name,
    used: [...new Set(parametersIn(of.code.join('\n')))],
    named: new Set(namedIn(of.comment.join('\n'))),
  }));
}

function parametersIn(text: string): number[] {
  return [...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number));
}

/** Returns the parameters that a comment names. `$1 to $4` names all four. */
function namedIn(text: string): number[] {
  const ranges = [...text.matchAll(/\$(\d+) to \$(\d+)/g)].flatMap(([, from, to]) =>
    Array.from({ length: Number(to) - Number(from) + 1 }, (_, index) => Number(from) + index),
  );
  return [...parametersIn(text), ...ranges];
}

function unnamedIn(text: string): string[] {
  return declarationsOf(text)
    .filter(({ used }) => Math.max(0, ...used) > UNNAMED_MAX)
    .flatMap(({ name, used, named }) => used.filter((one) => !named.has(one)).map((one) => `${name}: $${one}`));
}

t.test('the comment above a statement with more than three parameters names each of them', async (t) => {
  const stores = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) =>
    /[/-]store\.ts$/.test(path),
  );
  t.ok(stores.length > 20, 'the stores are found');
  for (const path of stores) t.same(unnamedIn(readFileSync(join('src', path), 'utf8')), [], path);
});

t.test('a long statement whose parameters are not named is found', async (t) => {
  const long = 'const LONG = statement(`\nSELECT $1, $2, $3, $4`);\n';
  t.same(unnamedIn(long), ['LONG: $1', 'LONG: $2', 'LONG: $3', 'LONG: $4']);
  t.same(unnamedIn(`// $1 user, $2 session, $3 reason.\n${long}`), ['LONG: $4']);
  t.same(unnamedIn(`// $1 to $3 as above, $4 reason.\n${long}`), []);
  t.same(unnamedIn(`// $1 to $4 as above.\n\n${long}`).length, 4, 'a comment elsewhere does not count');
  t.same(unnamedIn('const SHORT = statement(`SELECT $1, $2, $3`);'), []);
});
