// Writes the answer of a command into a new file. The texts go into a temporary file beside it, which gets the name
// once everything is on the disk. So a crash or a full disk leaves no file that looks complete.
import { randomUUID } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { CommandRefused } from './refusal.ts';

/**
 * Writes the texts into a new file that only its owner can read. Raises the error that `texts` raises, CommandRefused
 * `file_exists`, or CommandRefused `file_not_written` (for example when the disk is full). Then, and when the signal
 * aborts, no file is left.
 */
export async function writeNewFile(path: string, texts: AsyncIterable<string>, signal: AbortSignal): Promise<void> {
  if (existsSync(path)) throw exists(path); // before anything is read
  const temporary = join(dirname(path), `.${randomUUID()}.tmp`);
  const remove = () => rmSync(temporary, { force: true }); // the process does not wait after a signal
  signal.addEventListener('abort', remove);
  let failure: { readonly error: unknown } | undefined;
  async function* watched() {
    try {
      yield* texts;
    } catch (error) {
      failure = { error };
      throw error;
    }
  }
  try {
    const file = await open(temporary, 'wx', 0o600);
    await pipeline(watched(), file.createWriteStream({ flush: true }), { signal });
    await (await open(path, 'wx', 0o600)).close(); // takes the name, because a rename replaces the file of anybody
    await rename(temporary, path).catch(async (error) => {
      await rm(path, { force: true });
      throw error;
    });
  } catch (error) {
    throw failure ? failure.error : refusalOf(path, error);
  } finally {
    signal.removeEventListener('abort', remove);
    await rm(temporary, { force: true });
  }
}

const exists = (path: string) => new CommandRefused('file_exists', `${path} exists: name a new file`);

function refusalOf(path: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EEXIST') return exists(path);
  const isOfSystem = code !== undefined && /^E[A-Z]+$/.test(code);
  if (!isOfSystem) return error;
  return new CommandRefused('file_not_written', `${path} cannot be written: ${code}`, { cause: error });
}
