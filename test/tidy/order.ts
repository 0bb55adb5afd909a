// The order of the source: which wings and folders a file may import. src/README.md describes the same order.
import { dirname, relative } from 'node:path';
import { type Edge, edgesOf, folderOf, shown, wingOf } from './imports.ts';
import { ownSources, type Rule } from './repository.ts';

// A wing may import from the wings before it. A folder may import from the folders before it in the same wing. A wing
// without a list has no order of folders.
const WINGS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  base: 'errors headers platform secrets loops config database idempotency revoking embedded mail events outbox connections bodies page-kit mail-kit http assets docs health'.split(
    ' ',
  ),
  credentials: 'keys data-keys passwords one-time tokens stream revocations feed'.split(' '),
  directory: 'users rights roles permissions presets members organizations profile invitations'.split(' '),
  'sign-in':
    'sessions notices browser member-sessions mailbox-proof accept-invitation password verify-email account'.split(' '),
  access: 'clients client-authentication oauth checks forward-auth'.split(' '),
  admin: 'sessions administrators accounts organizations restore personal-data'.split(' '),
  app: [],
  cli: [],
  main: [],
};
const ORDER = Object.keys(WINGS);
// A package that is published for other services imports no code of this service. In src/, only the command line
// imports such a package.
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

export const orderRules: readonly Rule[] = [
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
