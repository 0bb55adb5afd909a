// The house rules that a compiler does not know: who may import whom, who may write, where time and the environment
// come from, sizes, and that what the documentation names is there. Runs by itself: node test/tidy.test.ts
import { basename } from 'node:path';
import t, { type Test } from 'tap';
import {
  type Edge,
  edgesOf,
  folderOf,
  isThere,
  namedBy,
  npmScripts,
  readSource,
  sourcesBelow,
  wingOf,
} from './support/sources.ts';

// Wings of src/, and the folders in them: each imports from what stands before it, or from itself. src/README.md shows
// the same. A wing without a list has no order inside.
const WINGS: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  base: 'errors platform loops config database revoking embedded mail events outbox http docs health'.split(' '),
  credentials: 'keys passwords tokens stream revocations feed'.split(' '),
  directory: 'users rights roles permissions presets members organizations profile invitations'.split(' '),
  'sign-in': 'sessions member-sessions accept-invitation password'.split(' '),
  access: 'clients client-authentication oauth checks forward-auth'.split(' '),
  admin: 'sessions administrators accounts organizations restore'.split(' '),
  app: [],
  cli: [],
  main: [],
};
const ORDER = Object.keys(WINGS);
// What is published for other services knows nothing of this one.
const ALONE: Readonly<Record<string, RegExp>> = {
  verifier: /^(verifier|protocol)\/|^node:|^jose$/,
  sidecar: /^(sidecar|verifier|protocol)\/|^node:|^(ws|pino)$/,
};
const PUBLISHED = Object.keys(ALONE);
const LINES_MAX = 300;
// The queries of a folder: store.ts, and beside it what would be too much for one file, such as rotation-store.ts.
const STORE = /[/-]store\.ts$/;

// Writes of a store by another folder, each with its reason.
const FOREIGN_WRITES: Readonly<Record<string, readonly string[]>> = {
  // An account is opened by signing in for the first time.
  'sign-in/password/register.ts': ['insertUser'],
  // A mailbox is proven by the token that was sent there, which also opens a session; what was sent before ends with it.
  'sign-in/accept-invitation/accept-invitation.ts': [
    'insertUser',
    'markEmailVerified',
    'updateClaimed',
    'markSentRevoked',
    'markSessionsEnded',
    'updateSessionOrganization',
  ],
  // What an operator changes of an account ends its sessions in the same transaction.
  'admin/accounts/change-account.ts': ['updateAccountStatus', 'setPasswordHash'],
  // An operator makes an account together with its membership or organization.
  'admin/accounts/create-account.ts': ['insertUser', 'markEmailVerified'],
  // A hash of older parameters is replaced where the password is known: at a sign-in. So is the oldest of too many sessions.
  'sign-in/password/login.ts': ['updateHash', 'markSurplusEnded'],
  // An organization begins with its owner, in one transaction.
  'directory/organizations/found-organization.ts': ['insertMembership', 'insertAssignments'],
  // The own name is a column of the account.
  'directory/profile/profile.ts': ['updateName'],
};

const source = sourcesBelow('src', /\.ts$/);
const tests = sourcesBelow('test', /\.ts$/);
const others = ['scripts', 'bench', 'examples'].flatMap((folder) => sourcesBelow(folder, /\.(ts|mjs)$/));
const edges = edgesOf(source);
const own = edges.filter(({ target }) => target !== '' && target !== 'generated');

function none(t: Test, found: readonly string[], what: string): void {
  t.same([...new Set(found)].sort(), [], what);
}

function shown(wrong: readonly Edge[]): string[] {
  return wrong.map(({ file, to }) => `${file} → ${to}`);
}

t.test('imports point one way', async (t) => {
  const unknown = source
    .map(({ path }) => path.replace('src/', ''))
    .filter((path) => {
      const folders = WINGS[wingOf(path)];
      return folders?.length ? !folders.includes(folderOf(path)) : !folders && !PUBLISHED.includes(wingOf(path));
    });
  none(t, unknown, 'every folder of src/ has its rank');
  const wrong = own.filter(({ file, to }) => {
    const [wing, target] = [wingOf(file), wingOf(to)];
    if (PUBLISHED.includes(target)) return !PUBLISHED.includes(wing) && wing !== 'cli';
    if (PUBLISHED.includes(wing)) return target !== 'protocol';
    if (wing === 'directory' && target === 'credentials') return true;
    if (wing !== target) return ORDER.indexOf(target) > ORDER.indexOf(wing);
    const folders = WINGS[wing] ?? [];
    return folders.indexOf(folderOf(to)) > folders.indexOf(folderOf(file));
  });
  none(t, shown(wrong), 'nothing imports what stands after it');
  const abroad = edges.filter(({ file, to }) => ALONE[wingOf(file)]?.test(to) === false);
  none(t, shown(abroad), 'what is published stands alone');
});

t.test('only the edges of a feature know HTTP', async (t) => {
  const abroad = edges.filter(({ place }) => !['base/http', 'app'].includes(place));
  const wrong = abroad.filter(({ file, to, target }) => {
    if (target !== 'base/http' || /\/([\w-]+-)?routes\.ts$|\/cookie\.ts$/.test(file)) return false;
    return !(basename(file) === 'schema.ts' && to === 'base/http/wire.ts');
  });
  none(t, shown(wrong), 'routes.ts and cookie.ts, and schema.ts the shared fields of wire.ts');
  none(
    t,
    shown(abroad.filter(({ file, to }) => /^@?fastify/.test(to) && wingOf(file) !== 'verifier')),
    'Fastify is known to base/http/ and app/',
  );
});

t.test('only stores and the door to the database speak its languages', async (t) => {
  const abroad = edges.filter(({ file, place }) => !STORE.test(file) && place !== 'base/database');
  none(t, shown(abroad.filter(({ to }) => /^@prisma\/|^generated\//.test(to))), 'Prisma');
  none(t, shown(abroad.filter(({ to, place }) => to === 'pg' && place !== 'base/embedded')), 'the driver');
  const asking = abroad.filter(({ to, names }) => to === 'base/database/db.ts' && names.includes('statement'));
  none(t, shown(asking.filter(({ place }) => place !== 'app')), 'SQL, but for the ping of readyz');
});

t.test('what a store writes is written by its own folder, or by a founder that is named here', async (t) => {
  const foreign = edges
    .filter(({ to, place, target }) => STORE.test(to) && place !== target)
    .flatMap(({ file, names }) => names.map((name) => ({ file, name })))
    .filter(({ name }) => /^((insert|mark|update|upsert|delete|end|set)[A-Z]|\*)/.test(name));
  const unnamed = foreign.filter(({ file, name }) => !FOREIGN_WRITES[file]?.includes(name));
  none(
    t,
    unnamed.map(({ file, name }) => `${file} uses ${name}`),
    'no writer is used abroad without a reason',
  );
  const reasons = Object.entries(FOREIGN_WRITES).flatMap(([file, names]) => names.map((name) => ({ file, name })));
  const idle = reasons.filter(({ file, name }) => !foreign.some((use) => use.file === file && use.name === name));
  none(
    t,
    idle.map(({ file, name }) => `${file}: ${name}`),
    'no reason is left over',
  );
});

t.test('environment, time, chance and output have one door each', async (t) => {
  const users = (pattern: RegExp, allowed: RegExp) =>
    source.filter(({ path, code }) => pattern.test(code) && !allowed.test(path)).map(({ path }) => path);
  none(t, users(/\bprocess\.(env|argv|stdin|stdout|stderr|exit|exitCode)\b/, /^src\/main\.ts$/), 'the process');
  none(
    t,
    users(
      /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
      /^src\/(base\/platform|cli)\/|^src\/(base\/embedded\/running|verifier\/core\/clock|main)\.ts$/,
    ),
    'time',
  );
  none(t, users(/\bMath\.random\(/, /^$/), 'chance');
  none(t, users(/\bconsole\./, /^$/), 'console');
});

t.test('files stay small, say what they own, and hold back no test', async (t) => {
  const all = [...source, ...tests, ...others];
  const long = all.filter(({ lines }) => lines > LINES_MAX);
  none(
    t,
    long.map(({ path, lines }) => `${path}: ${lines}`),
    `${LINES_MAX} lines`,
  );
  none(
    t,
    all.filter(({ text }) => !/^(#!.*\n)?\/[/*]/.test(text)).map(({ path }) => path),
    'a first comment',
  );
  const held = tests.filter(({ code }) => /\bt\.(only|skip|todo)\b|\{ (skip|todo|only):/.test(code));
  none(
    t,
    held.map(({ path }) => path),
    'no test is skipped, put off or run alone',
  );
});

t.test('what the documentation names is there', async (t) => {
  const scripts = npmScripts();
  const pages = ['README.md', 'src/README.md', 'bench/README.md'].filter(isThere).map(readSource);
  t.ok(pages.length >= 2, 'the pages are found');
  for (const page of [...pages, ...sourcesBelow('docs', /\.md$/)]) {
    const named = namedBy(page, source);
    none(t, named.missing, `paths of ${page.path}`);
    none(
      t,
      named.scripts.filter((name) => !(name in scripts)),
      `npm scripts of ${page.path}`,
    );
  }
  const run = Object.values(scripts).flatMap((command) => command.match(/[\w/-]+\.(ts|mjs)\b/g) ?? []);
  none(
    t,
    run.filter((path) => !isThere(path)),
    'files that npm scripts run',
  );
});
