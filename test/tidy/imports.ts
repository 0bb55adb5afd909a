// Finds the imports of each file in src/, and the wing and folder of a file.
import { dirname, join, relative } from 'node:path';
import type { Source } from '../support/sources.ts';
import { kept, ownSources, type Repository } from './repository.ts';
import { syntaxOf } from './syntax.ts';

export interface Edge {
  /** The path from src/. `to` is also a path from src/ if it is a file of src/. */
  readonly file: string;
  readonly to: string;
  /** The specifier as it is written in the import. */
  readonly specifier: string;
  readonly isPassedOn: boolean;
  readonly names: readonly string[];
  /** `place` is the wing and folder of `file`. `target` is that of `to`, and is empty for a package. */
  readonly place: string;
  readonly target: string;
}

const IMPORT = /(?:^(import|export)\b([^;'"]*?)\bfrom\s*|^import\s*|\bimport\(\s*)['"]([^'"]+)['"]/gm;

const edgesOfOne = kept((source: Source): readonly Edge[] => {
  const file = relative('src', source.path);
  return [...syntaxOf(source).typed.matchAll(IMPORT)].map(([, kind, clause = '', specifier = '']) => {
    const isOwn = specifier.startsWith('.');
    const to = isOwn ? join(dirname(file), specifier) : specifier;
    const target = isOwn ? placeOf(to) : '';
    return { file, to, specifier, isPassedOn: kind === 'export', names: namesIn(clause), place: placeOf(file), target };
  });
});

/** Returns every import, re-export and dynamic import of src/. */
export function edgesOf(repository: Repository): readonly Edge[] {
  return ownSources(repository).flatMap(edgesOfOne);
}

function namesIn(clause: string): string[] {
  const names = clause.replace(/^\s*type\b|[{}]/g, '').split(',');
  return names
    .map((name) =>
      name
        .trim()
        .replace(/^type /, '')
        .replace(/ as .*/, ''),
    )
    .filter((name) => name !== '');
}

/** Returns the wing of a path from src/: its first folder, or the name of a file directly in src/. */
export function wingOf(path: string): string {
  return (path.split('/')[0] ?? '').replace(/\.ts$/, '');
}

/** Returns the folder in the wing of a path from src/. It is empty for a file directly in the wing. */
export function folderOf(path: string): string {
  return path.split('/').slice(1, -1)[0] ?? '';
}

/** Returns the wing and folder of a path from src/, such as base/http. */
export function placeOf(path: string): string {
  return [wingOf(path), folderOf(path)].filter((part) => part !== '').join('/');
}

/** Returns the edges as lines of a report. */
export function shown(edges: readonly Edge[]): string[] {
  return edges.map(({ file, to }) => `src/${file}: imports ${to}`);
}
