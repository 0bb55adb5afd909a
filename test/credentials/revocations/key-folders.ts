// Services whose replicas have folders of keys of their own, with two access keys each.
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { systemClock } from '../../../src/base/platform/clock.ts';
import { generateKeyFile } from '../../../src/credentials/keys/generate.ts';
import { writeDataKeys } from '../../support/data-keys.ts';
import type { TestDatabase } from '../../support/database.ts';
import { openService, type Service } from '../../support/service.ts';

export interface AccessKey {
  readonly file: string;
  readonly kid: string;
}

export interface KeyFolders {
  /** A folder for KEYS_DIR. */
  readonly directory: string;
  readonly older: AccessKey;
  /** The key that signs. */
  readonly newer: AccessKey;
  readonly refresh: AccessKey;
  /** Copies the folder as it is now. */
  copy(): Promise<string>;
  removeFile(key: AccessKey, directory?: string): Promise<void>;
  /** Returns the content of the file of a key. */
  content(key: AccessKey): Promise<string>;
}

async function temporary(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Creates two access keys that may sign, a refresh key, and the keys of personal data. */
export async function openKeyFolders(t: Test): Promise<KeyFolders> {
  const directory = await temporary(t);
  const now = systemClock.now().getTime();
  const make = (use: string, secondsAgo: number) =>
    generateKeyFile({ directory: join(directory, use), activeFrom: new Date(now - secondsAgo * 1000) });
  const [older, newer, refresh] = [await make('access', 120), await make('access', 60), await make('refresh', 60)];
  writeDataKeys(directory);
  return {
    ...{ directory, older, newer, refresh },
    async copy() {
      const to = await temporary(t);
      await cp(directory, to, { recursive: true });
      return to;
    },
    removeFile: ({ file }, from = directory) => rm(join(from, 'access', file)),
    content: ({ file }) => readFile(join(directory, 'access', file), 'utf8'),
  };
}

/**
 * Opens a service with the keys of a folder. The service has read every revocation, like each service that has started.
 */
export async function openWithKeys(t: Test, database: TestDatabase, directory: string): Promise<Service> {
  const service = await openService(t, database, { KEYS_DIR: directory });
  await service.app.parts.revocations.synchronize();
  return service;
}

/** The kids that a service publishes. */
export async function publishedBy({ api }: Pick<Service, 'api'>): Promise<string[]> {
  const { keys = [] } = (await api.get('/.well-known/jwks.json')).body as { keys?: { kid: string }[] };
  return keys.map(({ kid }) => kid);
}

/** The names of the key files in a folder. */
export async function filesIn(directory: string): Promise<string[]> {
  return (await readdir(join(directory, 'access'))).filter((name) => name.endsWith('.pem'));
}
