// The programs on the documentation page for other languages are verbatim parts of the programs in examples/.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const read = (path: string) => readFileSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url)), 'utf8');

const PROGRAMS: Readonly<Record<string, string>> = {
  python: 'examples/python/verify.py',
  go: 'examples/go/verify.go',
  java: 'examples/java/Verify.java',
};

t.test('every program text on the page is an exact part of the program', async (t) => {
  const blocks = [...read('docs/other-languages.md').matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  const shown = blocks.filter(([, language = '']) => !['sh', 'json'].includes(language));
  t.same([...new Set(shown.map(([, language]) => language))], Object.keys(PROGRAMS));
  for (const [, language = '', text = ''] of shown) {
    t.ok(read(PROGRAMS[language] ?? '').includes(text), `${language}: ${text.trim().split('\n')[0]}`);
  }
});
