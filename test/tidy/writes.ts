// The rules for writes: each table has one owner, which is the folder whose store inserts its rows. Only this folder
// writes to the table, and only it calls the writing functions of its store. write-exceptions.ts has the exceptions.
import { dirname, relative } from 'node:path';
import type { Source } from '../support/sources.ts';
import { STORE } from './edges.ts';
import { edgesOf, placeOf } from './imports.ts';
import { kept, ownSources, type Repository, type Rule } from './repository.ts';
import { codeOf, exportsOf } from './syntax.ts';
import {
  type Exception,
  FOR_ALL,
  FOREIGN_TABLES,
  FOREIGN_WRITERS,
  OWNERS,
  WITH_EVERY_CHANGE,
} from './write-exceptions.ts';

const WRITE =
  /(?<!FOR |KEY |DO )\b(INSERT INTO|MERGE INTO|UPDATE|DELETE FROM|TRUNCATE TABLE)\s+(?:ONLY\s+)?["']?([a-z_]+|\$\{)/g;
const MODEL_WRITE = /\.models\s*\.(\w+)\s*\.(create|update|upsert|delete)\w*/g;
// Functions with these names do not write. A lock changes no row, and to… converts a row into a value.
const READ = /^(find|list|count|is|has|get|read|lock|to)[A-Z]/;
const CONSTANT = /^[A-Z_]+$/;

interface Write {
  readonly file: string;
  readonly table: string;
  readonly isInsert: boolean;
}

const sqlWritesOf = kept((source: Source): readonly Write[] => {
  const file = relative('src', source.path);
  return [...codeOf(source).matchAll(WRITE)].map(([, verb = '', table = '']) => ({
    file,
    table: table === '${' ? 'a table by a variable' : table,
    isInsert: verb.endsWith('INTO'),
  }));
});

function writesOf(repository: Repository): Write[] {
  const models = new Map(
    [...repository.schema.text.matchAll(/^model (\w+) \{[\s\S]*?@@map\("(\w+)"\)/gm)].map(
      ([, model = '', table = '']) => [model.charAt(0).toLowerCase() + model.slice(1), table],
    ),
  );
  return ownSources(repository).flatMap((source) => [
    ...sqlWritesOf(source),
    ...[...codeOf(source).matchAll(MODEL_WRITE)].map(([, model = '', verb]) => ({
      file: relative('src', source.path),
      table: models.get(model) ?? model,
      isInsert: verb === 'create' || verb === 'upsert',
    })),
  ]);
}

function ownersOf(writes: readonly Write[]): Map<string, string[]> {
  const owners = new Map<string, string[]>();
  for (const { file, table, isInsert } of writes) {
    const known = owners.get(table) ?? [];
    if (isInsert && !known.includes(placeOf(file))) owners.set(table, [...known, placeOf(file)]);
  }
  for (const [table, owner] of Object.entries(OWNERS)) owners.set(table, [owner]);
  return owners;
}

/** Returns the writes of other folders without an exception, and the exceptions without such a write. */
function judge(
  foreign: readonly (readonly [file: string, name: string])[],
  exceptions: readonly Exception[],
): string[] {
  const covers = ({ at, writes }: Exception, [file, name]: readonly [string, string]) =>
    (file === at || dirname(file) === at) && writes.includes(name);
  const bare = foreign.filter((one) => !exceptions.some((exception) => covers(exception, one)));
  const idle = exceptions.flatMap(({ at, writes, reason }) =>
    writes.map((name) => ({ at, name, isUsed: foreign.some((one) => covers({ at, writes: [name], reason }, one)) })),
  );
  return [
    ...bare.map(([file, name]) => `src/${file}: writes ${name}`),
    ...idle.filter(({ isUsed }) => !isUsed).map(({ at, name }) => `src/${at}: no longer writes ${name}`),
  ];
}

export const writeRules: readonly Rule[] = [
  {
    name: 'a table is written by the folder that owns it',
    find: (repository) => {
      const writes = writesOf(repository);
      const owners = ownersOf(writes);
      const foreign = writes.filter(({ file, table }) => {
        if (WITH_EVERY_CHANGE.includes(table)) return false;
        const owner = owners.get(table) ?? [];
        return owner.length !== 1 || owner[0] !== placeOf(file);
      });
      return judge(unique(foreign.map(({ file, table }) => [file, table] as const)), FOREIGN_TABLES);
    },
  },
  {
    name: 'the writing functions of a store are called only by its own folder',
    find: (repository) => {
      const stores = new Map(
        ownSources(repository)
          .filter(({ path }) => STORE.test(path))
          .map((source) => [relative('src', source.path), exportsOf(source)] as const),
      );
      const isWriter = (store: string, name: string) => {
        if (name.startsWith('*')) return true;
        if (READ.test(name) || CONSTANT.test(name) || FOR_ALL.includes(name)) return false;
        return stores.get(store)?.includes(name) ?? false;
      };
      const uses = edgesOf(repository).filter(({ to }) => STORE.test(to));
      const foreign = uses
        .filter(({ place, target, isPassedOn }) => place !== target || isPassedOn)
        .flatMap(({ file, to, names }) =>
          names.filter((name) => isWriter(to, name)).map((name) => [file, name] as const),
        );
      return judge(unique(foreign), FOREIGN_WRITERS);
    },
  },
];

function unique(pairs: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  return [...new Map(pairs.map((pair) => [pair.join(' '), pair])).values()];
}
