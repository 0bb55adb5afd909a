// Fetches Debian's packages with apt. Any user can do this. apt uses separate folders here, so that the machine's own
// apt state is not changed. apt still checks signatures and hashes. Only Debian's own archives are used.
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface DebianSystem {
  readonly codename: string;
  /** Folders of programs, as PATH has them. */
  readonly path: string;
  /** The folder of the system's own files. */
  readonly root: string;
  /** Aborts the fetch when it takes too long. */
  readonly deadline: AbortSignal;
}

interface Apt {
  readonly keyring: string;
  run(program: string, ...args: string[]): Promise<string>;
}

const KEYRINGS = ['gpg', 'pgp'].map((kind) => `usr/share/keyrings/debian-archive-keyring.${kind}`);
const MIRROR = 'http://deb.debian.org';
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;
const REASON_LINES = 6;

/** Fetches the packages and their missing dependencies. Unpacks all of them into one folder below `state`. */
export async function unpackPackages(state: string, names: readonly string[], system: DebianSystem): Promise<string> {
  const keyring = KEYRINGS.map((path) => join(system.root, path)).find((path) => existsSync(path));
  if (keyring === undefined) throw new Error(`Debian's keys are not at ${join(system.root, KEYRINGS[0] ?? '')}.`);
  const env = { ...process.env, PATH: system.path, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' };
  const apt: Apt = {
    keyring,
    async run(program, ...args) {
      try {
        const options = { env, signal: system.deadline, maxBuffer: OUTPUT_BYTES_MAX };
        return (await promisify(execFile)(program, args, options)).stdout;
      } catch (error) {
        system.deadline.throwIfAborted();
        throw new Error(reasonIn(error), { cause: error });
      }
    },
  };
  const unpacked = join(state, 'unpacked');
  mkdirSync(unpacked);
  for (const archive of await fetchArchives(apt, state, names, system.codename)) {
    await apt.run('dpkg-deb', '-x', archive, unpacked);
  }
  return unpacked;
}

async function fetchArchives(apt: Apt, state: string, names: readonly string[], codename: string): Promise<string[]> {
  const standard = [`${MIRROR}/debian ${codename} main`, `${MIRROR}/debian-security ${codename}-security main`];
  const own = await ownSources(apt, codename);
  if (own.length === 0) return download(apt, join(state, 'apt'), names, standard);
  try {
    return await download(apt, join(state, 'apt'), names, own);
  } catch (error) {
    if (own.some((source) => source.startsWith(MIRROR))) throw error;
    return download(apt, join(state, 'apt-standard'), names, standard);
  }
}

// The machine's settings may name a mirror that is nearer, or the only mirror that is reachable.
async function ownSources(apt: Apt, codename: string): Promise<string[]> {
  const format = '$(REPO_URI) $(RELEASE) $(COMPONENT) $(ORIGIN)';
  // An error in the machine's own sources must not prevent the use of Debian's.
  const told = await apt.run('apt-get', 'indextargets', '--format', format, 'Identifier: Packages').catch(() => '');
  const releases = [codename, `${codename}-updates`, `${codename}-security`];
  const sources = told.split('\n').flatMap((line) => {
    const [uri = '', release = '', component, origin = ''] = line.split(' ');
    // apt prints the name of the field instead of the origin when it has not read a source yet.
    const isDebian = origin === 'Debian' || origin.startsWith('$');
    return component === 'main' && releases.includes(release) && isDebian ? [`${uri} ${release} main`] : [];
  });
  return [...new Set(sources)];
}

async function download(
  { run, keyring }: Apt,
  state: string,
  names: readonly string[],
  sources: readonly string[],
): Promise<string[]> {
  const archives = join(state, 'archives');
  for (const folder of ['lists/partial', 'archives/partial']) mkdirSync(join(state, folder), { recursive: true });
  const options = `signed-by=${keyring} target=Packages lang=none`;
  writeFileSync(join(state, 'sources.list'), sources.map((source) => `deb [${options}] ${source}\n`).join(''));
  const settings = join(state, 'apt.conf');
  writeFileSync(settings, settingsFor(state));
  await run('apt-get', '-c', settings, '-q', 'update');
  const install = ['-y', '--download-only', '--reinstall', 'install', ...names];
  // Packages that do not fit the installed packages are fetched with all their dependencies.
  await run('apt-get', '-c', settings, '-q', ...install).catch(() => {
    writeFileSync(join(state, 'nothing'), '');
    return run('apt-get', '-c', settings, '-o', `Dir::State::status=${join(state, 'nothing')}`, '-q', ...install);
  });
  // The C library must match the system's loader, so the system's own C library is used.
  const fetched = readdirSync(archives).filter((name) => /\.deb$/.test(name) && !/^(libc6|libc-bin)_/.test(name));
  return fetched.map((name) => join(archives, name));
}

// These settings apply after the machine's own settings, which contain its proxies. They replace the settings that
// would change the machine.
function settingsFor(state: string): string {
  return `
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear AptCli::Hooks;
Dir::State "${state}";
Dir::State::lists "${state}/lists";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "${state}";
Dir::Cache::archives "${state}/archives";
Dir::Etc::sourcelist "${state}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Debug::NoLocking "true";
APT::Update::Error-Mode "any";
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "1";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
`;
}

/** Returns the first lines that a failed program marks as errors, or its first lines if it marks none. */
export function reasonIn(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const marked = lines.filter((line) => /^(E:|W: GPG|dpkg-deb: error)/.test(line));
  const reason = (marked.length > 0 ? marked : lines).slice(0, REASON_LINES).join('\n');
  return reason || (error instanceof Error ? error.message : String(error));
}
