// A command writes its answer into a new file, which is complete or absent.
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { writeNewFile } from '../../../src/cli/line/new-file.ts';

const NEVER = new AbortController().signal;

function openFolder(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'new-file-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, path: join(folder, 'answer.json') };
}

async function* texts(count: number, then: () => void = () => undefined) {
  for (let index = 0; index < count; index += 1) {
    await turn();
    yield 'x'.repeat(100_000);
  }
  then();
}

t.test('the file has all texts, is for its owner only, and nothing is beside it', async (t) => {
  const { folder, path } = openFolder(t);
  await writeNewFile(path, texts(30), NEVER);
  t.equal(readFileSync(path, 'utf8').length, 3_000_000);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.same(readdirSync(folder), ['answer.json']);
});

t.test('while the texts are read, no file has the name, and an error of the texts leaves nothing', async (t) => {
  const { folder, path } = openFolder(t);
  const broken = texts(30, () => {
    t.notOk(readdirSync(folder).includes('answer.json'));
    throw Object.assign(new Error('the database is gone'), { code: 'ECONNRESET' });
  });
  await t.rejects(writeNewFile(path, broken, NEVER), { message: 'the database is gone' });
  t.same(readdirSync(folder), []);
});

t.test('an existing file is kept, also one that was made meanwhile', async (t) => {
  const { folder, path } = openFolder(t);
  const late = texts(3, () => writeFileSync(path, 'of somebody else'));
  await t.rejects(writeNewFile(path, late, NEVER), { code: 'file_exists' });
  let isRead = false;
  const early = texts(3, () => {
    isRead = true;
  });
  await t.rejects(writeNewFile(path, early, NEVER), { code: 'file_exists' });
  t.notOk(isRead, 'nothing is read for a name that is taken');
  t.equal(readFileSync(path, 'utf8'), 'of somebody else');
  t.same(readdirSync(folder), ['answer.json']);
});

t.test('a file that cannot be written is named with the reason', async (t) => {
  const { folder } = openFolder(t);
  const path = join(folder, 'missing', 'answer.json');
  await t.rejects(writeNewFile(path, texts(3), NEVER), {
    code: 'file_not_written',
    message: `${path} cannot be written: ENOENT`,
  });
  const gone = openFolder(t);
  const vanishing = texts(3, () => rmSync(gone.folder, { recursive: true }));
  await t.rejects(writeNewFile(gone.path, vanishing, NEVER), { code: 'file_not_written' });
});

t.test('a signal leaves nothing, at once', async (t) => {
  const { folder, path } = openFolder(t);
  const ending = new AbortController();
  const interrupted = texts(3, () => {
    t.equal(readdirSync(folder).length, 1);
    ending.abort('SIGINT');
    t.same(readdirSync(folder), []);
  });
  await t.rejects(writeNewFile(path, interrupted, ending.signal));
  t.same(readdirSync(folder), []);
});
