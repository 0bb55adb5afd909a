// Project rules that a compiler does not check: who may import whom, who may write, where time and the environment come
// from, sizes, names, and that the files that the documentation names exist. The rules are in test/tidy/.
// test/tidy/mutations/ proves each rule by breaking it. This file also runs alone: node test/tidy.test.ts
import t from 'tap';
import { readRepository } from './tidy/repository.ts';
import { rules } from './tidy/rules.ts';

const repository = readRepository();

t.test('the repository is read', async (t) => {
  t.ok(repository.sources.length > 300, 'its code');
  t.ok(repository.pages.length > 10, 'its documentation');
});

for (const { name, find } of rules) {
  t.test(name, async (t) => {
    t.same([...new Set(find(repository))].sort(), []);
  });
}
