// Decodes tokens, and signs changed tokens with the service's own private keys or with other keys.
import { createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export type Members = Record<string, unknown>;

export interface Parts {
  readonly header: Members;
  readonly claims: Members;
}

/** Returns the decoded header and claims of a compact token. The signature is not checked. */
export function partsOf(token: string): Parts {
  const [header = '', claims = ''] = token.split('.').map((part) => Buffer.from(part, 'base64url').toString('utf8'));
  return { header: JSON.parse(header) as Members, claims: JSON.parse(claims) as Members };
}

/** Returns the private key of the only PEM file in `keysDirectory/use`. */
export function serviceKey(keysDirectory: string, use: 'access' | 'refresh'): KeyObject {
  const folder = join(keysDirectory, use);
  const [file, ...others] = readdirSync(folder).filter((name) => name.endsWith('.pem') && !name.startsWith('.'));
  if (file === undefined || others.length > 0) throw new Error(`${folder} does not hold exactly one key`);
  return createPrivateKey(readFileSync(join(folder, file)));
}

export type Signature = (input: string) => Buffer;

/** Returns a signer for RSASSA-PKCS1-v1_5 with the given hash. With the default hash this is RS256. */
export function rsa(key: KeyObject, hash = 'sha256'): Signature {
  return (input) => sign(hash, Buffer.from(input), key);
}

export function base64url(text: string | Buffer): string {
  return Buffer.from(text).toString('base64url');
}

/** Signs a compact token of two texts, which need not be JSON. */
export function compact(header: string, payload: string, signature: Signature): string {
  const input = `${base64url(header)}.${base64url(payload)}`;
  return `${input}.${signature(input).toString('base64url')}`;
}

/** Signs a compact token with the given header and claims, in the format of the service. */
export function forge({ header, claims }: Parts, signature: Signature): string {
  return compact(JSON.stringify(header), JSON.stringify(claims), signature);
}
