// The content of a data key file: a JWK of a symmetric key (RFC 7517, RFC 7518 §6.4), or with a passphrase the JWE of
// such a JWK (RFC 7517 appendix C). The reason of a refusal never quotes the file. folder.ts lists the files.
import { createSecretKey, type KeyObject } from 'node:crypto';
import { CompactEncrypt, calculateJwkThumbprint, compactDecrypt } from 'jose';
import type { Random } from '../../base/platform/random.ts';
import type { DataKey } from '../../base/secrets/sealing.ts';
import type { Refusal } from '../keys/file.ts';

/** What a key is for. A data key seals and opens values. A lookup key makes the keyed hashes. */
export type DataKeyPurpose = 'A256GCM' | 'HS256';

const KEY_BYTES = 32;
const ID_BYTES = 4;
const WRAP = 'PBES2-HS256+A128KW';
// A guess of the passphrase costs this many rounds of PBKDF2.
const ROUNDS = 600_000;
const ROUNDS_MAX = 2_000_000;

/** A new key as the content of its file. Raises RangeError for an empty passphrase. */
export async function newDataKey(purpose: DataKeyPurpose, random: Random, passphrase?: string): Promise<string> {
  if (passphrase === '') throw new RangeError('An empty passphrase protects nothing');
  const jwk = JSON.stringify({ kty: 'oct', alg: purpose, k: random.bytes(KEY_BYTES).toString('base64url') });
  if (passphrase === undefined) return `${jwk}\n`;
  const sealed = await new CompactEncrypt(Buffer.from(jwk))
    .setProtectedHeader({ alg: WRAP, enc: 'A256GCM', cty: 'jwk+json' })
    .setKeyManagementParameters({ p2c: ROUNDS })
    .encrypt(Buffer.from(passphrase));
  return `${sealed}\n`;
}

/** The key in a file, or the reason for its refusal. Never raises. */
export async function parseDataKey(
  bytes: Buffer,
  purpose: DataKeyPurpose,
  passphrase: string | undefined,
): Promise<DataKey | Refusal> {
  const text = bytes.toString('latin1').trim();
  const opened = text.startsWith('{') ? text : await decrypt(text, passphrase);
  if (typeof opened !== 'string') return opened;
  const secret = secretOf(opened, purpose);
  if ('reason' in secret) return secret;
  const thumbprint = await calculateJwkThumbprint({ kty: 'oct', k: secret.bytes.toString('base64url') });
  const id = Buffer.from(thumbprint, 'base64url').toString('hex', 0, ID_BYTES);
  return { id, secret: createSecretKey(secret.bytes) satisfies KeyObject };
}

async function decrypt(text: string, passphrase: string | undefined): Promise<string | Refusal> {
  if (text.split('.').length !== 5) return { reason: 'it is neither a JWK nor a compact JWE' };
  if (passphrase === undefined) return { reason: 'it is encrypted and no passphrase is configured' };
  const how = { keyManagementAlgorithms: [WRAP], maxPBES2Count: ROUNDS_MAX };
  try {
    return Buffer.from((await compactDecrypt(text, Buffer.from(passphrase), how)).plaintext).toString('utf8');
  } catch {
    return { reason: 'the configured passphrase does not open it' };
  }
}

function secretOf(text: string, purpose: DataKeyPurpose): { readonly bytes: Buffer } | Refusal {
  let jwk: { readonly kty?: unknown; readonly alg?: unknown; readonly k?: unknown } | null;
  try {
    jwk = JSON.parse(text);
  } catch {
    return { reason: 'it is not JSON' };
  }
  if (jwk?.kty !== 'oct' || typeof jwk.k !== 'string')
    return { reason: 'it is not a symmetric key (kty "oct" with k)' };
  if (jwk.alg !== purpose) return { reason: `its alg is not ${purpose}` };
  const bytes = Buffer.from(jwk.k, 'base64url');
  const isWhole = bytes.length === KEY_BYTES && bytes.toString('base64url') === jwk.k;
  return isWhole ? { bytes } : { reason: 'its k is not 256 bits in base64url' };
}
