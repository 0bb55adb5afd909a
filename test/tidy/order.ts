// The order of the source: which wings and folders a file may import. src/README.md describes the same order.
import { dirname, relative } from 'node:path';
import { type Edge, edgesOf, folderOf, shown, wingOf } from './imports.ts';
import { ownSources, type Repository, type Rule } from './repository.ts';

const MAP = 'src/README.md';

// A wing may import from the wings before it, except that directory does not import from credentials. A folder may
// import from the folders before it in the same wing. A wing without a list has no order of folders.
const WINGS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  base: 'errors headers platform secrets loops config database idempotency revoking embedded mail events outbox connections bodies page-kit mail-kit http assets docs health'.split(
    ' ',
  ),
  credentials: 'keys data-keys passwords one-time tokens stream revocations feed'.split(' '),
  directory: 'users rights roles permissions presets members organizations profile invitations'.split(' '),
  'sign-in':
    'notices sessions browser member-sessions mailbox-proof registration accept-invitation password forgotten-password verify-email reauthentication account own-password own-email leaving'.split(
      ' ',
    ),
  access: 'clients client-authentication oauth checks forward-auth'.split(' '),
  admin: 'sessions administrators accounts organizations restore personal-data'.split(' '),
  app: [],
  cli: [],
  main: [],
};
const ORDER = Object.keys(WINGS);
// The verifier and the sidecar run outside of the service. They import only the code that these patterns allow. In the
// rest of src/, only the command line imports them.
const ALONE: Readonly<Record<string, RegExp>> = {
  verifier: /^(verifier|protocol)\/|^node:/,
  sidecar: /^(sidecar|verifier|protocol)\/|^node:|^(ws|pino)$/,
};
const PUBLISHED = Object.keys(ALONE);

function hasRank(path: string): boolean {
  const folders = WINGS[wingOf(path)];
  if (!folders) return PUBLISHED.includes(wingOf(path));
  return folders.length === 0 || folders.includes(folderOf(path));
}

function isAgainstOrder({ file, to }: Edge): boolean {
  const [wing, target] = [wingOf(file), wingOf(to)];
  if (PUBLISHED.includes(wing)) return false;
  if (PUBLISHED.includes(target)) return wing !== 'cli';
  if (wing === 'directory' && target === 'credentials') return true;
  if (wing !== target) return ORDER.indexOf(target) > ORDER.indexOf(wing);
  const folders = WINGS[wing] ?? [];
  return folders.indexOf(folderOf(to)) > folders.indexOf(folderOf(file));
}

// An import has the shortest path: ./ in the same folder, ../ in the same wing, ../../ to another wing.
function isDetour({ file, to, specifier }: Edge): boolean {
  const shortest = relative(dirname(file), to);
  return specifier !== (shortest.startsWith('.') ? shortest : `./${shortest}`);
}

// The folders that the map names in the table of wings, by wing.
function wingsInMap(text: string): [wing: string, folders: readonly string[]][] {
  const rows = [...text.matchAll(/^\| `([a-z-]+)\/` \| ([^|]+?)(?: \(no order\))? \|/gm)];
  return rows.map(([, wing = '', folders = '']) => [wing, folders === 'none' ? [] : folders.split(', ')]);
}

function foldersOf(repository: Repository, wing: string): readonly string[] {
  const ordered = WINGS[wing] ?? [];
  if (ordered.length > 0) return ordered;
  const paths = ownSources(repository).map(({ path }) => path.replace('src/', ''));
  return [...new Set(paths.filter((path) => wingOf(path) === wing).map(folderOf))].filter((folder) => folder !== '');
}

function isSameList(wing: string, named: readonly string[], folders: readonly string[]): boolean {
  const hasOrder = (WINGS[wing] ?? []).length > 0;
  const shape = (list: readonly string[]) => (hasOrder ? [...list] : [...list].sort()).join();
  return shape(named) === shape(folders);
}

// A line for each wing whose folders the map does not list in their order, and for each folder that it leaves out.
function missingInMap(repository: Repository): string[] {
  const text = repository.pages.find(({ path }) => path === MAP)?.text ?? '';
  const listed = wingsInMap(text).filter(([, folders]) => folders.length > 0);
  const wrong = listed.filter(([wing, folders]) => !isSameList(wing, folders, foldersOf(repository, wing)));
  const places = Object.entries(WINGS).flatMap(([wing, folders]) => folders.map((folder) => `${wing}/${folder}/`));
  return [
    ...wrong.map(([wing]) => `${MAP}: the folders of ${wing}/ are ${foldersOf(repository, wing).join(', ')}`),
    ...places.filter((place) => !text.includes(`\`${place}\``)).map((place) => `${MAP}: ${place} is missing`),
  ];
}

export const orderRules: readonly Rule[] = [
  { name: 'the map lists the folders of each wing in their order, and explains each', find: missingInMap },
  {
    name: 'every folder of src/ has a place in the order',
    find: (repository) =>
      ownSources(repository)
        .filter(({ path }) => !hasRank(path.replace('src/', '')))
        .map(({ path }) => `${path}: its folder is not in the order`),
  },
  {
    name: 'no file imports from a folder that is later in the order',
    find: (repository) =>
      shown(edgesOf(repository).filter((edge) => !['', 'generated'].includes(edge.target) && isAgainstOrder(edge))),
  },
  {
    name: 'published code imports only published code',
    find: (repository) => shown(edgesOf(repository).filter(({ file, to }) => ALONE[wingOf(file)]?.test(to) === false)),
  },
  {
    name: 'an import has the shortest path',
    find: (repository) => shown(edgesOf(repository).filter((edge) => edge.target !== '' && isDetour(edge))),
  },
];
