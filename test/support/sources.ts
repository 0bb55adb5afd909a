// Reads the files of the repository for tests: the path, the text, and the text without comments.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Source {
  /** The path from the root, such as src/base/http/server.ts. */
  readonly path: string;
  readonly text: string;
  /** The text without block comments and without lines that are only a comment. */
  readonly code: string;
  readonly lines: number;
}

/** Returns a file by its path from the root. */
export function readSource(path: string): Source {
  return sourceOf(path, readFileSync(join(ROOT, path), 'utf8'));
}

/** Returns a text as a file of the repository with this path. */
export function sourceOf(path: string, text: string): Source {
  const code = text.replace(/^\s*\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
  return { path, text, code, lines: text.split('\n').length - 1 };
}

/** Returns the files below a folder whose path matches, without generated files and packages. */
export function sourcesBelow(folder: string, pattern: RegExp): Source[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => pattern.test(path) && !/\/(generated|node_modules)\//.test(path))
    .sort()
    .map(readSource);
}

/** Whether a path from the root exists. */
export function isThere(path: string): boolean {
  return existsSync(join(ROOT, path));
}
