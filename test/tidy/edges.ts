// Checks the boundaries of a feature: only routes.ts, pages.ts and cookie.ts use HTTP, and only the stores use the
// database.
import { basename, relative } from 'node:path';
import { edgesOf, placeOf, shown, wingOf } from './imports.ts';
import { ownSources, type Rule } from './repository.ts';
import { codeOf } from './syntax.ts';

/**
 * The files with the queries of a folder: store.ts, and files such as rotation-store.ts if store.ts would be too long.
 */
export const STORE = /[/-]store\.ts$/;

const HTTP_EDGE = /\/(routes|pages|cookie)\.ts$/;
// The stores use the functions and the SQL of these files to write the event and the revocation of a change.
const SHARED = ['base/events/record.ts', 'base/revoking/sql.ts'];
const SQL = /\b(INSERT INTO|DELETE FROM|UPDATE\s+\S+\s+SET|TRUNCATE TABLE|SELECT\s[^;'`]*?\sFROM|FROM\s+\w+\s+WHERE)\b/;

const speaksSql = (file: string) => STORE.test(file) || placeOf(file) === 'base/database' || SHARED.includes(file);

export const edgeRules: readonly Rule[] = [
  {
    name: 'only routes.ts, pages.ts and cookie.ts import base/http, and schema.ts only the shared fields of wire.ts',
    find: (repository) =>
      shown(
        edgesOf(repository).filter(({ file, to, place, target }) => {
          if (target !== 'base/http' || place === 'base/http' || place === 'app' || HTTP_EDGE.test(file)) return false;
          return !(basename(file) === 'schema.ts' && to === 'base/http/wire.ts');
        }),
      ),
  },
  {
    name: 'only base/http and app import Fastify',
    find: (repository) =>
      shown(
        edgesOf(repository).filter(({ to, place }) => /^@?fastify\b/.test(to) && !['base/http', 'app'].includes(place)),
      ),
  },
  {
    name: 'only stores and base/database import Prisma, and only base/database and base/embedded import the driver',
    find: (repository) =>
      shown(
        edgesOf(repository).filter(({ file, to, place }) => {
          if (to === 'pg') return place !== 'base/database' && place !== 'base/embedded';
          return /^@prisma\/|^generated\//.test(to) && !speaksSql(file);
        }),
      ),
  },
  {
    name: 'only stores and base/database contain SQL; base/embedded creates the database, and app pings it',
    find: (repository) => {
      const asking = edgesOf(repository).filter(
        ({ file, target, names }) =>
          target === 'base/database' && names.includes('statement') && !speaksSql(file) && wingOf(file) !== 'app',
      );
      const speaking = ownSources(repository).filter((source) => {
        const file = relative('src', source.path);
        if (speaksSql(file) || placeOf(file) === 'base/embedded') return false;
        return SQL.test(codeOf(source)) || /\.models\b/.test(codeOf(source));
      });
      return [...shown(asking), ...speaking.map(({ path }) => `${path}: queries the database`)];
    },
  },
];
