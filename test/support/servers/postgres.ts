// Fills a folder with the files of a PostgreSQL whose first start has ended, because a first start takes a second. The
// run of the tests has made these files once. Tests of the first start do without.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/**
 * Fills the folder for `startEmbedded`, and creates it if it is missing. Returns the folder. Without files of the run,
 * the folder stays empty, and the start in it is a first start.
 */
export function fillPostgresFolder(directory: string, made = process.env.TEST_POSTGRES_FILES): string {
  if (!made) return directory;
  mkdirSync(directory, { recursive: true });
  // Unlike cpSync, cp keeps the owner of each file, which is another user when the tests run as root.
  const { status, stderr } = spawnSync('cp', ['-a', `${made}/.`, directory], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`cannot copy ${made}: ${stderr}`);
  return directory;
}
