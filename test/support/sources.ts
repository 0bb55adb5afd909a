// The files of the repository as tests read them: path, text, and the text without its comments.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Source {
  /** From the root: src/base/http/server.ts. */
  readonly path: string;
  readonly text: string;
  /** Without whole lines of comment. */
  readonly code: string;
  readonly lines: number;
}

/** A file by its path from the root. */
export function readSource(path: string): Source {
  return sourceOf(path, readFileSync(join(ROOT, path), 'utf8'));
}

/** A text as if it were in the repository under this path. */
export function sourceOf(path: string, text: string): Source {
  const code = text.replace(/^\s*\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
  return { path, text, code, lines: text.split('\n').length - 1 };
}

/** The files below a folder whose path matches, without generated ones. */
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
