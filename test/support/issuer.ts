// Creates a token service in memory. By default, all issuers of this process sign with the same key, because creating a
// key is slow. Each issuer has its own key id, so a verifier of one issuer refuses the tokens of the other issuers.
// Tests of the testkit itself use createTestIssuer.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createTestIssuer, type TestIssuer, type TestIssuerOptions } from '../../src/verifier/testkit/testkit.ts';

let shared: KeyObject | undefined;

/** The key that the issuers of this process share. */
export function sharedKey(): KeyObject {
  shared ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  return shared;
}

export function openIssuer(options: TestIssuerOptions = {}): TestIssuer {
  return createTestIssuer({ privateKey: sharedKey(), ...options });
}
