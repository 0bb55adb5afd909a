// Reads public keys from a file of an operator: PEM, one JWK, or a JWK set. public-keys.ts validates the keys.
import { createPublicKey } from 'node:crypto';
import { invalid } from '../../base/errors/problem.ts';
import { readJsonObject } from '../../protocol/json.ts';

/** Returns the keys in the text of a file as a JWK set that is not validated yet. Raises validation_failed. */
export function publicKeysIn(text: string): { readonly keys: readonly unknown[] } {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) {
    throw refused('holds a private key: give the public half alone, and keep the private one where it is');
  }
  if (!text.includes('-----BEGIN')) return inJson(text);
  try {
    return { keys: [createPublicKey(text).export({ format: 'jwk' })] };
  } catch {
    throw refused('holds no public key in PEM');
  }
}

function inJson(text: string): { readonly keys: readonly unknown[] } {
  const value = readJsonObject(Buffer.from(text));
  if (!value) throw refused('is neither PEM nor a JWK');
  return Array.isArray(value.keys) ? { keys: value.keys } : { keys: [value] };
}

function refused(message: string) {
  return invalid('public-key', message);
}
