// Invalid RSA signatures of many classes: another length, number, padding, hash or scheme. If a key is used, it is the
// right private key, so that each signature has only the error that its name states.
import { constants, createHash, createHmac, createPublicKey, type KeyObject, privateEncrypt, sign } from 'node:crypto';
import { rsa, type Signature } from '../../support/forge.ts';

const SHA256_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex');

/** Returns the block that is signed in place of the right block of RFC 8017 §9.2. */
function block(bytes: number, tail: Buffer, { first = 0, type = 1, fill = 0xff, end = 0 } = {}): Buffer {
  const padding = Buffer.alloc(bytes - 3 - tail.length, fill);
  return Buffer.concat([Buffer.from([first, type]), padding, Buffer.from([end]), tail]);
}

function raw(key: KeyObject, of: (hash: Buffer, bytes: number) => Buffer): Signature {
  const bytes = (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
  return (input) => {
    const em = of(createHash('sha256').update(input).digest(), bytes);
    return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, em);
  };
}

const info = (hash: Buffer) => Buffer.concat([SHA256_INFO, hash]);
const bytesOf = (value: bigint, length: number) => Buffer.from(value.toString(16).padStart(length * 2, '0'), 'hex');
const numberOf = (bytes: Buffer) => BigInt(`0x${bytes.toString('hex')}`);

/** Returns a valid signature from the same function as the bad blocks, to show that only their errors are refused. */
export function rawGoodSignature(key: KeyObject): Signature {
  return raw(key, (hash, bytes) => block(bytes, info(hash)));
}

/** Signatures whose block differs from RFC 8017 §9.2. */
export function badBlocks(key: KeyObject): Record<string, Signature> {
  const of = (make: (hash: Buffer, bytes: number) => Buffer) => raw(key, make);
  const garbage = (length: number) => Buffer.alloc(length, 0x5a);
  const before = (prefix: string) =>
    of((hash, bytes) => block(bytes, Buffer.concat([Buffer.from(prefix, 'hex'), hash])));
  return {
    'block type 0': of((hash, bytes) => block(bytes, info(hash), { type: 0 })),
    'block type 2': of((hash, bytes) => block(bytes, info(hash), { type: 2 })),
    'a first byte that is not zero, within the modulus': of((hash, bytes) => block(bytes, info(hash), { first: 1 })),
    'padding of zeros': of((hash, bytes) => block(bytes, info(hash), { fill: 0 })),
    'padding of FE': of((hash, bytes) => block(bytes, info(hash), { fill: 0xfe })),
    'no zero after the padding': of((hash, bytes) => block(bytes, info(hash), { end: 0xff })),
    'eight bytes of padding, and garbage behind the hash': of((hash, bytes) => {
      const tail = Buffer.concat([info(hash), garbage(bytes - 11 - info(hash).length)]);
      return block(bytes, tail);
    }),
    'no padding, and garbage behind the hash': of((hash, bytes) => {
      return block(bytes, Buffer.concat([info(hash), garbage(bytes - 3 - info(hash).length)]));
    }),
    'one byte of garbage behind the hash': of((hash, bytes) => block(bytes, Buffer.concat([info(hash), garbage(1)]))),
    'garbage within the padding': of((hash, bytes) => {
      const em = block(bytes, info(hash));
      em[100] = 0;
      return em;
    }),
    'garbage before the hash, in an octet string that hides it': of((hash, bytes) => {
      const hidden = Buffer.concat([
        Buffer.from('3081b0300d060960864801650304020105000481', 'hex'),
        Buffer.from([0x9e]),
      ]);
      return block(bytes, Buffer.concat([hidden, garbage(0x9e - 32), hash]));
    }),
    'the hash alone': of((hash, bytes) => block(bytes, hash)),
    'the parameters of the hash left out': before('302f300b06096086480165030402010420'),
    'parameters of the hash that are not NULL': before('3032300e0609608648016503040201050100' + '0420'),
    'the name of SHA-1': before('3029300906052b0e03021a05000420'),
    'the name of SHA-512': before('3031300d060960864801650304020305000420'),
    'the name of no hash': before('3031300d060960864801650304020f05000420'),
    'a long form of length': before('308131300d060960864801650304020105000420'),
    'an indefinite length': before('3080300d060960864801650304020105000420'),
    'a half of the hash': of((hash, bytes) => {
      return block(
        bytes,
        Buffer.concat([Buffer.from('3021300d060960864801650304020105000410', 'hex'), hash.subarray(16)]),
      );
    }),
    'an empty hash': of((_, bytes) => block(bytes, Buffer.from('3011300d060960864801650304020105000400', 'hex'))),
    'a block of zeros': of((_, bytes) => Buffer.alloc(bytes)),
  };
}

/**
 * Signatures of other schemes and hashes by the RSA key, and HMACs with each part of the public key that may be used as
 * a secret.
 */
export function otherSchemes(key: KeyObject): Record<string, Signature> {
  const publicKey = createPublicKey(key);
  const pss = (hash: string, saltLength: number) => (input: string) =>
    sign(hash, Buffer.from(input), { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength });
  const hmac = (secret: string | Buffer) => (input: string) => createHmac('sha256', secret).update(input).digest();
  const { n = '' } = publicKey.export({ format: 'jwk' }) as { n?: string };
  const secrets = {
    'its PEM': publicKey.export({ type: 'spki', format: 'pem' }),
    'its PEM without the last line break': String(publicKey.export({ type: 'spki', format: 'pem' })).trimEnd(),
    'its PKCS#1 PEM': publicKey.export({ type: 'pkcs1', format: 'pem' }),
    'its DER': publicKey.export({ type: 'spki', format: 'der' }),
    'its modulus': Buffer.from(n, 'base64url'),
    'its JWK': JSON.stringify(publicKey.export({ format: 'jwk' })),
    nothing: '',
  };
  return {
    'SHA-1': rsa(key, 'sha1'),
    'SHA-224': rsa(key, 'sha224'),
    'SHA-384': rsa(key, 'sha384'),
    'SHA-512': rsa(key, 'sha512'),
    'SHA3-256': rsa(key, 'sha3-256'),
    'PSS with SHA-256': pss('sha256', 32),
    'PSS without salt': pss('sha256', 0),
    'PSS with SHA-512': pss('sha512', 64),
    ...Object.fromEntries(Object.entries(secrets).map(([name, secret]) => [`HMAC with ${name}`, hmac(secret)])),
  };
}

/** Returns valid signatures with changed bytes. */
export function changedSignatures(key: KeyObject, good: Buffer): Record<string, Buffer> {
  const { n = '' } = createPublicKey(key).export({ format: 'jwk' }) as { n?: string };
  const modulus = numberOf(Buffer.from(n, 'base64url'));
  const number = numberOf(good);
  const { length } = good;
  const flipped = [0, 1, length >> 1, length - 2, length - 1].map((index) => {
    const bytes = Buffer.from(good);
    bytes[index] = (bytes[index] ?? 0) ^ 1;
    return [`a bit of byte ${index} flipped`, bytes] as const;
  });
  return {
    ...Object.fromEntries(flipped),
    'one byte, zero': Buffer.alloc(1),
    'the last byte left out': good.subarray(0, -1),
    'the first byte left out': good.subarray(1),
    'half of it': good.subarray(0, length / 2),
    'a zero before it': Buffer.concat([Buffer.alloc(1), good]),
    'a zero behind it': Buffer.concat([good, Buffer.alloc(1)]),
    'it twice': Buffer.concat([good, good]),
    zero: Buffer.alloc(length),
    one: bytesOf(1n, length),
    'the modulus': bytesOf(modulus, length),
    'the modulus less one': bytesOf(modulus - 1n, length),
    'the modulus and it, in a byte more': bytesOf(modulus + number, length + 1),
    'its negative': bytesOf(modulus - number, length),
    'all ones': Buffer.alloc(length, 0xff),
    reversed: Buffer.from(good).reverse(),
  };
}

/** Returns a signature plus the modulus, in the same length, and its text. RSA computes the same result for both. */
export function signatureBeyondModulus(
  key: KeyObject,
  textOf: (attempt: number) => string,
): { text: string; signature: Buffer } {
  const { n = '' } = createPublicKey(key).export({ format: 'jwk' }) as { n?: string };
  const modulus = numberOf(Buffer.from(n, 'base64url'));
  for (let attempt = 0; ; attempt += 1) {
    const text = textOf(attempt);
    const good = rsa(key)(text);
    const sum = numberOf(good) + modulus;
    if (sum < 1n << BigInt(good.length * 8)) return { text, signature: bytesOf(sum, good.length) };
  }
}
