// Reads the one key of a PEM file and refuses a key that must not sign. The reason of a refusal never quotes the file.
// folder.ts lists the files and notices changes.
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { constants, type FileHandle, open } from 'node:fs/promises';
import { type CryptoKey, calculateJwkThumbprint, type JWK } from 'jose';

export const FILE_BYTES_MAX = 64 * 1024;
const MODULUS_BITS_MIN = 2048;
// Signing time grows with the cube of the size: a larger key would stall every sign-in.
const MODULUS_BITS_MAX = 8192;
// Verifiers in some other languages can store only 31 bits of the exponent.
const EXPONENT_MAX = 2n ** 31n - 1n;
const RS256 = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };

export interface RingKey {
  /** RFC 7638 thumbprint. */
  readonly kid: string;
  readonly activeFrom: Date;
  readonly bits: number;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  /** kty, n, e, kid, use and alg; no private member. */
  readonly publicJwk: JWK;
  /** File name without its folder. */
  readonly file: string;
}

export interface Refusal {
  readonly reason: string;
}

/**
 * The bytes of a file, or the reason why they cannot be read. `code` is the system's error code if the system refused.
 */
export type FileBytes = { readonly bytes: Buffer } | { readonly reason: string; readonly code?: string };

/** Reads a regular file of at most FILE_BYTES_MAX. Follows symbolic links. Never throws. */
export async function readBounded(path: string): Promise<FileBytes> {
  let handle: FileHandle | undefined;
  try {
    // The open call does not block, because a pipe with the name of a key would otherwise block it for ever.
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if (!(await handle.stat()).isFile()) return { reason: 'it is not a regular file' };
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FILE_BYTES_MAX + 1), 0, FILE_BYTES_MAX + 1, 0);
    if (bytesRead > FILE_BYTES_MAX) return { reason: 'it is larger than 64 KiB' };
    return { bytes: buffer.subarray(0, bytesRead) };
  } catch (error) {
    const code = errorCode(error);
    return {
      reason: code === 'ENOENT' ? 'it does not exist or points to nothing' : `it cannot be read (${code})`,
      code,
    };
  } finally {
    await handle?.close().catch(() => {}); // what was read is whole
  }
}

/** The system's code of an error, such as ENOENT, or `unknown error` if it has none. Never the message of the error. */
export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown error';
}

interface About {
  readonly file: string;
  readonly activeFrom: Date;
  readonly passphrase?: string | undefined;
}

/**
 * The key in a PEM, or the reason for its refusal: it must be a private RSA key for RS256 with 2048 to 8192 bits, in
 * PKCS#8 (RFC 5958). Never throws.
 */
export async function parseKey(pem: Buffer, about: About): Promise<RingKey | Refusal> {
  const opened = openPem(pem.toString('latin1'), about.passphrase);
  if ('reason' in opened) return opened;
  const unfit = unfitness(opened.key);
  if (unfit) return { reason: unfit };
  try {
    return await ringKey(opened.key, about);
  } catch {
    return { reason: 'it is not a usable RSA key' };
  }
}

async function ringKey(key: KeyObject, { file, activeFrom }: About): Promise<RingKey | Refusal> {
  const publicHalf = createPublicKey(key);
  const privateKey = key.toCryptoKey(RS256, false, ['sign']);
  const publicKey = publicHalf.toCryptoKey(RS256, true, ['verify']);
  if (!(await halvesMatch(privateKey, publicKey)))
    return { reason: 'its private and public halves do not belong together' };
  const { n, e } = publicHalf.export({ format: 'jwk' });
  if (n === undefined || e === undefined) return { reason: 'it is not a usable RSA key' };
  const kid = await calculateJwkThumbprint({ kty: 'RSA', n, e });
  const publicJwk: JWK = Object.freeze({ kty: 'RSA', n, e, kid, use: 'sig', alg: 'RS256' });
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  return { kid, activeFrom, bits, privateKey, publicKey, publicJwk, file };
}

/** Whether the outcome is a refusal. */
export function isRefusal<T extends object>(outcome: T | Refusal): outcome is Refusal {
  return 'reason' in outcome;
}

function openPem(text: string, passphrase: string | undefined): { readonly key: KeyObject } | Refusal {
  const labels = [...text.matchAll(/-----BEGIN ([A-Z0-9 ]{1,40})-----/g)].map((found) => found[1]);
  const [label] = labels;
  if (label === undefined) return { reason: 'it has no PEM block' };
  // With two keys in one file, it would be unclear which key signs.
  if (labels.length > 1) return { reason: `it has ${labels.length} PEM blocks where one is expected` };
  if (label === 'PUBLIC KEY' || label === 'RSA PUBLIC KEY') return { reason: 'it has a public key only' };
  if (label !== 'PRIVATE KEY' && label !== 'ENCRYPTED PRIVATE KEY') {
    return { reason: 'it is not a PKCS#8 private key (openssl pkcs8 -topk8 converts an older form)' };
  }
  const encrypted = label === 'ENCRYPTED PRIVATE KEY';
  if (encrypted && passphrase === undefined) return { reason: 'it is encrypted and no passphrase is configured' };
  const block = text.slice(text.indexOf('-----BEGIN '));
  try {
    return { key: createPrivateKey(encrypted ? { key: block, passphrase: passphrase ?? '' } : { key: block }) };
  } catch {
    // OpenSSL's message is not logged, because it could contain parts of the file.
    return { reason: encrypted ? 'the configured passphrase does not open it' : 'it is not a readable private key' };
  }
}

function unfitness(key: KeyObject): string | undefined {
  const type = key.asymmetricKeyType ?? 'unknown';
  // A key marked for PSS must not sign PKCS#1 v1.5, because a key must be used with one algorithm only (RFC 8725 §3.1).
  if (type === 'rsa-pss') return 'it is an RSA-PSS key, which RS256 cannot use';
  if (type !== 'rsa') return `it is a key of type ${type}, and RS256 needs RSA`;
  const { modulusLength: bits = 0, publicExponent: exponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (bits < MODULUS_BITS_MIN) return `it has ${bits} bits, and at least ${MODULUS_BITS_MIN} are needed`;
  if (bits > MODULUS_BITS_MAX) return `it has ${bits} bits, and at most ${MODULUS_BITS_MAX} are supported`;
  if (exponent < 3n || exponent > EXPONENT_MAX || exponent % 2n === 0n) return 'its public exponent is not usable';
  return undefined;
}

async function halvesMatch(privateKey: CryptoKey, publicKey: CryptoKey): Promise<boolean> {
  const probe = Buffer.from('a key that cannot verify what it signs must not reach a token');
  try {
    const signature = await crypto.subtle.sign(RS256.name, privateKey, probe);
    return await crypto.subtle.verify(RS256.name, publicKey, signature, probe);
  } catch {
    return false;
  }
}
