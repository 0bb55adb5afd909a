// Creates real key files in temporary folders, a clock that the test sets, and a log that can be read. Creating RSA
// keys is slow, so each test file creates its few keys only once.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint } from 'jose';
import { pino } from 'pino';
import type { Test } from 'tap';
import { type KeyRing, type KeyRingOptions, openKeyRing } from '../../../src/credentials/keys/ring.ts';

export interface Sample {
  readonly key: KeyObject;
  readonly pem: string;
  readonly kid: string;
}

export interface Line {
  readonly level: 'info' | 'warn' | 'error';
  readonly fields: Record<string, unknown>;
  readonly message: string;
}

export async function sampleKey(bits = 2048): Promise<Sample> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: bits });
  const kid = await calculateJwkThumbprint(publicKey.export({ format: 'jwk' }));
  return { key: privateKey, pem: pkcs8(privateKey), kid };
}

export function pkcs8(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

export async function folderOf(t: Test, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tenantry-keys-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
  return directory;
}

export function clockAt(instant: string) {
  let now = new Date(instant);
  return {
    now: () => now,
    set: (next: string) => {
      now = new Date(next);
    },
  };
}

export function keptLog() {
  const lines: Line[] = [];
  const write = (text: string) => {
    const { level, msg: message, ...fields } = JSON.parse(text);
    lines.push({ level, fields, message });
  };
  const settings = { base: null, timestamp: false, formatters: { level: (level: string) => ({ level }) } };
  const log = pino(settings, { write });
  return { lines, info: log.info.bind(log), warn: log.warn.bind(log), error: log.error.bind(log) };
}

export async function openRing(
  t: Test,
  options: Partial<KeyRingOptions> & Pick<KeyRingOptions, 'clock'>,
): Promise<KeyRing> {
  const ring = await openKeyRing({ use: 'access', retentionSeconds: 1200, log: keptLog(), ...options });
  t.teardown(() => ring.close());
  return ring;
}

/** Resolves at the next change that the ring notices. Keeps the process alive, because a ring does not. */
export async function nextChange(ring: KeyRing): Promise<void> {
  const awake = setInterval(() => undefined, 1000);
  const { promise, resolve } = Promise.withResolvers<void>();
  ring.onChange(resolve);
  await promise;
  clearInterval(awake);
}

export function kids(keys: readonly { readonly kid: string }[]): string[] {
  return keys.map(({ kid }) => kid);
}
