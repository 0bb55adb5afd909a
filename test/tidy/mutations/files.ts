// Files that break the rules of environment, sizes, names and documents. Each file is listed under the rule that
// reports it.
import type { Mutations } from './mutations.ts';

const lines = (count: number) => '// One more.\n'.repeat(count);
const body = (count: number) => '  count += 1;\n'.repeat(count);

export const brokenFiles: Mutations = {
  'only main.ts uses the arguments, environment, streams and end of the process': [
    ['an operation reads the environment', 'src/sign-in/password/login.ts', 'const name = process.env.NAME;\n'],
    ['a command ends the process', 'src/cli/mail.ts', 'process.exit(1);\n'],
  ],
  'the time comes from a clock': [
    ['an operation reads the time', 'src/sign-in/password/login.ts', 'const now = Date.now();\n'],
    ['an operation makes a date of now', 'src/sign-in/password/login.ts', 'const now = new Date();\n'],
  ],
  'randomness comes from node:crypto': [
    ['a command uses Math.random', 'src/cli/run.ts', 'const chance = Math.random();\n'],
  ],
  'nothing prints to the console': [['an operation prints', 'src/sign-in/password/login.ts', "console.log('here');\n"]],
  'a file has at most 300 lines': [
    ['a file of 301 lines', 'src/base/docs/long.ts', lines(300)],
    ['a test of 301 lines', 'test/walks/long.test.ts', lines(300)],
  ],
  'a function has at most 80 lines': [
    [
      'a function of 81 lines',
      'src/base/docs/body.ts',
      `export function long(count: number): number {\n${body(78)}  return count;\n}\n`,
      'src/base/docs/body.ts long: 81',
    ],
    [
      'a function of 250 lines',
      'src/base/docs/long.ts',
      `export const long = async <T>(count: number, of: T): Promise<void> => {\n${body(248)}};\n`,
      'src/base/docs/long.ts long: 250',
    ],
    [
      'a test of 81 lines',
      'test/walks/long.test.ts',
      `t.test('a walk', async (t) => {\n${body(79)}});\n`,
      "test/walks/long.test.ts 'a walk': 81",
    ],
  ],
  'a line of a comment has at most 120 characters': [
    [
      'a comment of 121 characters',
      'src/base/docs/wide.ts',
      `\n// ${'x'.repeat(118)}\n`,
      'src/base/docs/wide.ts:3: 121',
    ],
    [
      'a wide line of a doc comment',
      'test/walks/wide.test.ts',
      `/**\n * ${'word '.repeat(30)}\n */\nexport const wide = 1;\n`,
      'test/walks/wide.test.ts:3: 153',
    ],
    ['a wide comment in one line', 'scripts/wide.ts', `  /** ${'word '.repeat(30)}*/\n`, 'scripts/wide.ts:2: 158'],
  ],
  'every file can be measured': [
    ['a file with a decorator', 'src/base/docs/decorated.ts', '@sealed\nexport class Decorated {}\n'],
  ],
  'a file does not repeat the name of its folder': [
    ['a file that repeats its folder', 'src/credentials/feed/feed-page.ts', ''],
    ['a file that repeats its folder in the singular', 'src/directory/roles/role-names.ts', ''],
  ],
  'nothing is called utils, helpers, common or manager': [
    ['a file called utils.ts', 'src/base/docs/utils.ts', ''],
    ['a file called string-helpers.ts', 'src/base/docs/string-helpers.ts', ''],
    ['a file called common.ts', 'src/base/docs/common.ts', ''],
    ['a file called key-manager.ts', 'src/base/docs/key-manager.ts', ''],
  ],
  'the edges of a folder are called routes.ts, pages.ts and schema.ts': [
    ['routes beside routes.ts', 'src/base/docs/account-routes.ts', ''],
  ],
  'a file begins with a comment that says what the file is for': [
    ['a file without a first comment', 'src/protocol/id.ts', (text) => text.replace(/^(\/\/.*\n)+/, '')],
  ],
  'no test is skipped, marked as todo or run alone': [
    ['a test that is skipped', 'test/walks/held.test.ts', "t.skip('later', async () => {});\n"],
    [
      'a test that an option marks as todo',
      'test/walks/held.test.ts',
      "t.test('later', { todo: true }, async () => {});\n",
    ],
    ['a test that runs alone', 'test/walks/held.test.ts', "t.only('this', async () => {});\n"],
  ],
  'every path that the documentation names exists': [
    ['a link that leads nowhere', 'docs/keys.md', 'See [more](more-keys.md).\n'],
    ['a path that is not there', 'README.md', 'See `docs/nothing.md`.\n'],
    ['a file of src/ that is not there', 'src/README.md', 'See `http/nothing.ts`.\n'],
    ['a folder of src/ that is not there', 'src/README.md', 'See `base/nothing/`.\n'],
  ],
  'every npm script that the documentation names exists': [
    ['an npm script that is not there', 'README.md', 'Call `npm run nothing`.\n'],
  ],
};
