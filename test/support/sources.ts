// The repository as the tidy test sees it: its files, what they import, and what its documentation names.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
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

export interface Edge {
  /** From src/, as is `to` where it is a file of src/. */
  readonly file: string;
  readonly to: string;
  readonly names: readonly string[];
  /** Wing and folder below src/, or the names of files that stand in src/ itself. */
  readonly place: string;
  readonly target: string;
}

export interface Naming {
  readonly path: string;
  /** Paths from the root that are named and not there. */
  readonly missing: readonly string[];
  readonly scripts: readonly string[];
}

/** A file by its path from the root. */
export function readSource(path: string): Source {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const code = text.replace(/^\s*\/\/.*$/gm, '').replace(/\/\*[\s\S]*?\*\//g, '');
  return { path, text, code, lines: text.split('\n').length - 1 };
}

/** The files below a folder whose path fits, generated ones left out. */
export function sourcesBelow(folder: string, pattern: RegExp): Source[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => pattern.test(path) && !/\/(generated|node_modules)\//.test(path))
    .sort()
    .map(readSource);
}

/** The wing of a path from src/: its first folder, or the name of a file that stands in src/ itself. */
export function wingOf(path: string): string {
  return (path.split('/')[0] ?? '').replace(/\.ts$/, '');
}

/** The folder in its wing of a path from src/; empty for a file that stands in the wing itself. */
export function folderOf(path: string): string {
  return path.split('/').slice(1, -1)[0] ?? '';
}

/** Wing and folder of a path from src/, such as base/http. */
function placeOf(path: string): string {
  return [wingOf(path), folderOf(path)].filter((part) => part !== '').join('/');
}

const IMPORT = /(?:^(?:import|export)\b([^;'"]*?)\bfrom\s*|^import\s*|\bimport\(\s*)'([^']+)'/gm;

/** Every import, re-export and dynamic import of the files. */
export function edgesOf(sources: readonly Source[]): Edge[] {
  return sources.flatMap(({ path, code }) =>
    [...code.matchAll(IMPORT)].map(([, clause = '', specifier = '']) => {
      const file = relative('src', path);
      const to = specifier.startsWith('.') ? join(dirname(file), specifier) : specifier;
      const target = specifier.startsWith('.') ? placeOf(to) : '';
      return { file, to, names: namesIn(clause), place: placeOf(file), target };
    }),
  );
}

function namesIn(clause: string): string[] {
  const names = clause.replace(/^\s*type\b|[{}]/g, '').split(',');
  return names.map((name) =>
    name
      .trim()
      .replace(/^type /, '')
      .replace(/ as .*/, ''),
  );
}

/** What a page names: links, paths in backticks, npm scripts; for the map of src/ also files as seen from there. */
export function namedBy({ path, text }: Source, sources: readonly Source[]): Naming {
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, to = '']) => join(dirname(path), to));
  const top = readdirSync(ROOT);
  const quoted = [...text.matchAll(/`([^`\s]+)`/g)].map(([, word = '']) => word);
  const paths = quoted.filter((word) => /^[\w.-]+\/[^*<]*$/.test(word) && top.includes(word.split('/')[0] ?? ''));
  const isOfSource = (word: string) => path === 'src/README.md' && /^[\w/-]+\.ts$|^[a-z]+\/$/.test(word);
  const isIn = (word: string) => sources.some((file) => `/${file.path}`.includes(`/${word}`)) || word === 'generated/';
  const files = quoted.filter((word) => isOfSource(word) && !paths.includes(word) && !isIn(word));
  const commands = text.matchAll(/\bnpm (?:run ([\w:-]+)|(test|start)\b)|`(prove:[\w-]+)`/g);
  return {
    path,
    missing: [...links, ...paths].filter((word) => !existsSync(join(ROOT, word))).concat(files),
    scripts: [...commands].map(([, run, short, prove]) => run ?? short ?? prove ?? ''),
  };
}

/** The npm scripts of package.json. */
export function npmScripts(): Record<string, string> {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }).scripts;
}

/** Whether a path from the root is there. */
export function isThere(path: string): boolean {
  return existsSync(join(ROOT, path));
}
