// Tests every project rule with a file that breaks it. This rule must report the file, and no other rule may.
import t from 'tap';
import { type Repository, readRepository, withFile } from '../repository.ts';
import { rules } from '../rules.ts';
import { broken, mutations } from './mutations.ts';

const FOLDERS = 'a folder has at most 15 files';
const SCRIPTS = 'every file that an npm script runs exists';
const repository = readRepository();

function reportsOf(of: Repository): Record<string, readonly string[]> {
  const reports = rules.map(({ name, find }) => [name, find(of)] as const);
  return Object.fromEntries(reports.filter(([, lines]) => lines.length > 0));
}

t.test('the repository itself breaks no rule', async (t) => {
  t.same(reportsOf(repository), {});
});

for (const [rule, ways] of Object.entries(mutations)) {
  for (const mutation of ways) {
    const [title, path, , report = path] = mutation;
    t.test(`${title}: ${rule}`, async (t) => {
      const reports = reportsOf(broken(repository, mutation));
      t.same(Object.keys(reports), [rule], 'one rule reports');
      t.equal(reports[rule]?.[0]?.slice(0, report.length), report, 'and says what');
    });
  }
}

t.test(FOLDERS, async (t) => {
  const add = (count: number) =>
    Array.from({ length: count }).reduce<Repository>(
      (of, _, index) => withFile(of, `src/protocol/folder/file${index}.ts`, '// One more.\n'),
      repository,
    );
  t.same(reportsOf(add(15)), {}, '15 are allowed');
  t.same(reportsOf(add(16)), { [FOLDERS]: ['src/protocol/folder: 16 files'] });
});

t.test(SCRIPTS, async (t) => {
  const scripts = { ...repository.scripts, nothing: 'node scripts/nothing.ts' };
  t.same(reportsOf({ ...repository, scripts }), { [SCRIPTS]: ['package.json: scripts/nothing.ts is missing'] });
});

t.test('every rule has a mutation that breaks it', async (t) => {
  t.same(
    rules.map(({ name }) => name).filter((name) => !mutations[name]),
    [FOLDERS, SCRIPTS],
  );
});
