// Each diagram of docs/diagrams/ has a text alternative and is shown on a page. An error in the source of a diagram is
// reported with its place. openapi.test.ts checks that the pictures match their sources.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { diagrams } from '../../scripts/diagrams/diagrams.ts';
import { headingOf } from '../../scripts/diagrams/document.ts';
import { drawSequence } from '../../scripts/diagrams/draw-sequence.ts';
import { readSequence } from '../../scripts/diagrams/sequence.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HEADING = { title: 'A title', description: 'What it shows.' };

t.test('every picture has a text, a title and a description, and is shown on a page', async (t) => {
  const made = diagrams(ROOT);
  const kept = readdirSync(`${ROOT}/docs/diagrams`).filter((name) => name.endsWith('.svg'));
  t.same(made.map(([path]) => path.replace('docs/diagrams/', '')).sort(), kept.sort());
  const pages = ['README.md', ...readdirSync(`${ROOT}/docs`).map((name) => `docs/${name}`)];
  const text = pages.filter((path) => path.endsWith('.md')).map((path) => readFileSync(`${ROOT}/${path}`, 'utf8'));
  for (const [path, content] of made) {
    t.match(
      content,
      /<svg [^>]*role="img" aria-labelledby="(\S+) (\S+)">\n<title id="\S+">.+<\/title>\n<desc id="\S+">/,
    );
    t.notMatch(
      content,
      /https?:\/\/(?!www\.w3\.org)|<script|<image|@import/,
      `${path} loads nothing from another host`,
    );
    t.match(
      text.join(''),
      new RegExp(`!\\[[^\\]]{40,}\\]\\((docs/)?${path.replace('docs/', '')}\\)`),
      `${path} is shown`,
    );
  }
});

t.test('a sequence diagram is drawn from left to right, and its text is escaped', async (t) => {
  const sequence = readSequence(
    'participant a: A & B\nparticipant b: C\na -> b: x < y\\nand more\nb --> a: yes',
    'x.txt',
  );
  const svg = drawSequence(sequence, HEADING);
  t.match(svg, /A &amp; B[\s\S]*x &lt; y<\/tspan><tspan [^>]*>and more/);
  const [first = 0, second = 0] = [...svg.matchAll(/<path d="M(\d+) \d+V/g)].map(([, x]) => Number(x));
  t.ok(second > first, 'columns');
  t.match(
    svg,
    new RegExp(`<path d="M${first} \\d+H${second - 2}"[\\s\\S]*<path d="M${second} \\d+H${first + 2}"`),
    'arrows',
  );
});

t.test('an invalid source is refused with its file and line', async (t) => {
  const wrong = {
    'a => b: no such arrow': /^x\.txt:3: not understood: a => b/,
    'a -> c: nobody': /^x\.txt:3: no participant c/,
    'a -> a: itself': /^x\.txt:3: a message to its sender/,
  };
  for (const [line, message] of Object.entries(wrong)) {
    const source = `participant a: A\nparticipant b: B\n${line}`;
    t.throws(() => readSequence(source, 'x.txt'), { message }, line);
  }
  t.throws(() => headingOf('# title: alone\n', 'x.dot'), { message: /^x\.dot: it does not begin with/ });
});
