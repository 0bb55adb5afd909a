// Creates a key and writes it into a folder. lifecycle.ts and development.ts decide when a key is created.
import { generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint } from 'jose';
import { is256Bits } from '../../base/platform/bits.ts';
import { writeDatedFile } from './new-file.ts';

export type KeyBits = 2048 | 3072 | 4096;

export interface NewKey {
  readonly kid: string;
  /** PKCS#8. */
  readonly pem: string | Buffer;
}

export interface GeneratedKey {
  /** File name without its folder. */
  readonly file: string;
  readonly kid: string;
}

const rsaKeyPair = promisify(generateKeyPair);

/** Whether a text has the shape of the kid of a key: an RFC 7638 thumbprint with SHA-256. It may begin with "-". */
export function isKidShaped(text: string): boolean {
  return is256Bits(text);
}

/** A new RSA key. With a passphrase its PEM is encrypted (AES-256-CBC). Raises RangeError for an empty passphrase. */
export async function newKey(bits: KeyBits = 2048, passphrase?: string): Promise<NewKey> {
  if (passphrase === '') throw new RangeError('An empty passphrase protects nothing');
  const { privateKey, publicKey } = await rsaKeyPair('rsa', { modulusLength: bits, publicExponent: 0x10001 });
  const cipher = passphrase === undefined ? {} : { cipher: 'aes-256-cbc', passphrase };
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher });
  return { kid: await calculateJwkThumbprint(publicKey.export({ format: 'jwk' })), pem };
}

/**
 * Writes a new key that signs from `activeFrom`, truncated to whole seconds. If the name is taken, the new file gets a
 * name with a suffix. A missing folder is created with mode 0700. The file has mode 0600. Raises RangeError for a year
 * before 1970 or after 9999, and for an empty passphrase.
 */
export async function generateKeyFile(options: {
  readonly directory: string;
  readonly activeFrom: Date;
  readonly bits?: KeyBits | undefined;
  readonly passphrase?: string | undefined;
}): Promise<GeneratedKey> {
  const { directory, activeFrom, bits, passphrase } = options;
  const { kid, pem } = await newKey(bits, passphrase);
  const file = await writeDatedFile(directory, { activeFrom, ending: '.pem', content: pem, token: kid });
  return { file, kid };
}
