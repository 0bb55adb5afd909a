// The checks of `tenantry doctor` on files. They are about the signing keys, the keys of personal data and the free
// space on the disk.
import { existsSync } from 'node:fs';
import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Config } from '../../base/config/config.ts';
import { type Finding, finding } from '../../base/database/examine.ts';
import { listDataKeys } from '../../credentials/data-keys/lifecycle.ts';
import { isDevelopmentKey } from '../../credentials/keys/development.ts';
import { listKeys } from '../../credentials/keys/lifecycle.ts';
import type { RevokedKey } from '../../credentials/revocations/key-store.ts';
import { dataFolderOf, KEEP_DATA_KEYS } from '../data-keys.ts';
import { keyFolderOf } from '../keys.ts';
import { embeddedDirectory } from '../line/operator.ts';
import type { Besides } from '../revoked-keys.ts';

const FREE_BYTES_OK = 512 * 1024 * 1024;
const FREE_BYTES_MIN = 64 * 1024 * 1024;

/**
 * Checks the keys of both uses. One key of each use must sign. Reports refused files, keys that both uses share and, in
 * production, development keys.
 */
export async function examineKeys(config: Config, asked: Besides<readonly RevokedKey[]>): Promise<Finding[]> {
  const revoked = 'found' in asked ? asked.found : [];
  const found: Finding[] = [];
  const left: string[] = [];
  const kids = new Map<string, string>();
  for (const use of ['access', 'refresh'] as const) {
    const single = use === 'access' ? config.JWT_ACCESS_PRIVATE_KEY_PATH : config.JWT_REFRESH_PRIVATE_KEY_PATH;
    if (single !== undefined) {
      found.push(await examineFile(`${use} key`, single));
      continue;
    }
    const folder = keyFolderOf(config, use);
    let listed: Awaited<ReturnType<typeof listKeys>> = { keys: [], refused: [] };
    const read = await finding(`${use} keys`, async () => {
      listed = await listKeys(folder, new Set(revoked.map(({ kid }) => kid)));
      return '';
    });
    found.push(read.status === 'ok' ? { name: `${use} keys`, ...judge(config, use, listed) } : read);
    const { keys } = listed;
    const shared = keys.find(({ kid }) => kids.has(kid));
    if (shared) {
      const detail = `${shared.kid} is also an access key: make another one with tenantry keys rotate`;
      found.push({ name: `${use} keys`, status: 'fail', detail });
    }
    for (const { kid, file } of keys) kids.set(kid, file);
    for (const { kid, file, state } of keys) if (state === 'revoked') left.push(`${kid} (${use}/${file})`);
  }
  return [...found, ...judgeRevoked(asked, left)];
}

/** Returns no finding when no key was ever revoked. `left` are the revoked keys whose files are still there. */
function judgeRevoked(asked: Besides<readonly RevokedKey[]>, left: readonly string[]): Finding[] {
  const name = 'revoked keys';
  if ('unknown' in asked) return [{ name, status: 'warn', detail: `not known: ${asked.unknown}` }];
  const [newest] = asked.found;
  if (!newest) return [];
  const count = asked.found.length === 1 ? '1 key was revoked' : `${asked.found.length} keys were revoked`;
  const said = `${count}, the newest ${newest.kid} since ${newest.revokedAt.toISOString()}`;
  if (left.length === 0) return [{ name, status: 'ok', detail: `${said}; KEYS_DIR has no file of them` }];
  const detail = `${said}; files are left, which no service uses, of ${left.join(', ')}: remove them with tenantry keys revoke <kid>`;
  return [{ name, status: 'warn', detail }];
}

function judge(
  config: Config,
  use: string,
  { keys, refused }: Awaited<ReturnType<typeof listKeys>>,
): Omit<Finding, 'name'> {
  const signing = keys.find(({ state }) => state === 'signing');
  if (!signing && !config.production && keys.length + refused.length === 0) {
    return { status: 'warn', detail: `npm start makes the first key of ${config.KEYS_DIR}/${use}` };
  }
  const reasons = refused.map(({ file, reason }) => `${JSON.stringify(file)}: ${reason}`).join('; ');
  if (!signing) {
    const why = reasons === '' ? '' : ` (${reasons})`;
    return { status: 'fail', detail: `no key can sign: run tenantry keys generate${why}` };
  }
  if (config.production && isDevelopmentKey(signing)) {
    const detail = `${signing.file} is a development key: run tenantry keys rotate, and wait until it is retired`;
    return { status: 'fail', detail };
  }
  // A refused file is only a warning, because the other keys still work.
  if (reasons !== '') return { status: 'warn', detail: `refused ${reasons}: replace or remove it` };
  return { status: 'ok', detail: `${signing.kid} signs, ${signing.bits} bits, ${keys.length} in total` };
}

function examineFile(name: string, path: string): Promise<Finding> {
  return finding(name, async () => {
    await access(path, constants.R_OK);
    return `one file, ${path}`;
  });
}

/** Checks the keys of personal data. One must seal, and the lookup key must be there. */
export async function examineDataKeys(config: Config): Promise<Finding> {
  let listed: Awaited<ReturnType<typeof listDataKeys>> | undefined;
  const name = 'data keys';
  const read = await finding(name, async () => {
    listed = await listDataKeys(dataFolderOf(config));
    return '';
  });
  if (!listed) return read;
  const { keys, hasLookup, refused } = listed;
  const sealing = keys.find(({ state }) => state === 'sealing');
  const reasons = refused.map(({ file, reason }) => `${JSON.stringify(file)}: ${reason}`).join('; ');
  const why = reasons === '' ? '' : ` (refused ${reasons})`;
  if (!sealing && !hasLookup && !config.production && why === '') {
    return { name, status: 'warn', detail: `npm start makes the keys of ${config.KEYS_DIR}/data` };
  }
  if (!sealing || !hasLookup) {
    const detail = `${sealing ? 'lookup.jwk is missing' : 'no key can seal'}${why}: put the folder back, or for a new installation run tenantry keys generate`;
    return { name, status: 'fail', detail };
  }
  if (config.production && isDevelopmentKey(sealing)) {
    const detail = `${sealing.file} is a development key: run tenantry keys rotate --use data`;
    return { name, status: 'fail', detail };
  }
  if (why !== '') return { name, status: 'warn', detail: `refused ${reasons}: replace or remove it` };
  return { name, status: 'ok', detail: `${sealing.id} seals, ${keys.length} in total; ${KEEP_DATA_KEYS}` };
}

/** Checks the free space in the folders where the service keeps its state. */
export async function examineDisk(config: Config): Promise<Finding[]> {
  const named = [config.KEYS_DIR, ...(embeddedDirectory(config) === null ? [] : [config.DATA_DIR])];
  const folders = named.map((path) => nearest(resolve(path)));
  const volumes = new Map<number, string>();
  for (const folder of folders) volumes.set((await stat(folder)).dev, folder);
  return Promise.all(
    [...volumes.values()].map(async (folder) => {
      let free = 0;
      const found = await finding('disk', async () => {
        const { bavail, bsize } = await statfs(folder);
        free = bavail * bsize;
        return `${(free / 2 ** 30).toFixed(1)} GiB free at ${folder}`;
      });
      if (found.status === 'fail' || free >= FREE_BYTES_OK) return found;
      const status = free < FREE_BYTES_MIN ? 'fail' : 'warn';
      return { ...found, status, detail: `${found.detail}: free some space` };
    }),
  );
}

function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}
