// Fills a folder with the files of a PostgreSQL whose first start has completed, because a first start takes a second.
// test/run.ts makes these files once for a run. Tests of the first start do not use them.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/**
 * Fills the folder for `startEmbedded`, and creates it if it is missing. Returns the folder. If the run has no such
 * files, nothing is created, and the start in the folder is a first start.
 */
export function fillPostgresFolder(directory: string, made = process.env.TEST_POSTGRES_FILES): string {
  if (!made) return directory;
  mkdirSync(directory, { recursive: true });
  // Unlike cpSync, cp keeps the owner of each file, which is another user when the tests run as root.
  const { status, stderr } = spawnSync('cp', ['-a', `${made}/.`, directory], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot copy ${made}: ${stderr}`);
  return directory;
}
