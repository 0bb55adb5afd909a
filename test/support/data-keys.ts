// The keys of personal data in tests. By default, the services and commands of one test process use the same keys, as
// do the rows that the tests insert by SQL.
import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DataKeys } from '../../src/base/secrets/data-keys.ts';
import type { DataKey } from '../../src/base/secrets/sealing.ts';

const secret = randomBytes(32);
const lookupSecret = randomBytes(32);

/** The id of a key: the first 8 hexadecimal digits of its thumbprint (RFC 7638). */
export function idOf(bytes: Buffer): string {
  const members = JSON.stringify({ k: bytes.toString('base64url'), kty: 'oct' });
  return createHash('sha256').update(members).digest('hex').slice(0, 8);
}

const key: DataKey = { id: idOf(secret), secret: createSecretKey(secret) };
const lookupKey = createSecretKey(lookupSecret);

/** The keys without their files. */
export const testDataKeys: DataKeys = {
  sealingKey: () => key,
  find: (id) => (id === key.id ? key : undefined),
  lookupKey: () => lookupKey,
  hasLookupKey: () => true,
  reload: async () => undefined,
};

/** The content of a key file. */
export function jwkOf(bytes: Buffer, alg: 'A256GCM' | 'HS256'): string {
  return JSON.stringify({ kty: 'oct', alg, k: bytes.toString('base64url') });
}

/** Writes the keys into the folder `data` of a keys folder. */
export function writeDataKeys(keysDirectory: string): void {
  const directory = join(keysDirectory, 'data');
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, '2026-01-01T00-00-00Z.jwk'), jwkOf(secret, 'A256GCM'));
  writeFileSync(join(directory, 'lookup.jwk'), jwkOf(lookupSecret, 'HS256'));
}

/** Adds another data key to a keys folder. The key seals from the instant in its file name on. Returns its id. */
export function addDataKey(keysDirectory: string, file = '2026-02-01T00-00-00Z.jwk'): string {
  const bytes = randomBytes(32);
  writeFileSync(join(keysDirectory, 'data', file), jwkOf(bytes, 'A256GCM'));
  return idOf(bytes);
}

let shared: string | undefined;

/** A keys folder with the keys of personal data. Services of this process add their signing keys to it. */
export function sharedKeysDirectory(): string {
  if (shared === undefined) {
    const directory = mkdtempSync(join(tmpdir(), 'tenantry-keys-'));
    process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
    writeDataKeys(directory);
    shared = directory;
  }
  return shared;
}
