// Seals and opens personal data in rows that are never changed, such as events. Each value has a key of its own, which
// is stored, sealed, in the table `person_keys` as a key of the person. Once the keys of a person are deleted, nobody
// can read the values, and the rows stay as they are.
import { createSecretKey } from 'node:crypto';
import { newTokenId, type Random } from '../platform/random.ts';
import type { Open, Personal } from './personal.ts';
import { type DataKey, seal, unseal } from './sealing.ts';

const KEY_BYTES = 32;
// The sealed bytes of a value with a key of its own begin with zeros, in the place of the id of a data key.
const NO_ID = '00000000';

export interface SealedForPerson {
  /** The row of `person_keys`: its id, and the sealed key in base64. */
  readonly key: { readonly id: string; readonly sealed: string };
  /** The value in base64. */
  readonly sealed: string;
}

/** Seals a value for its place, such as `events.network:` and the id of the event, with a new key. */
export function sealForPerson(
  personal: Pick<Personal, 'seal'>,
  { random, place, text }: { readonly random: Random; readonly place: string; readonly text: string },
): SealedForPerson {
  const id = newTokenId(random);
  const secret = random.bytes(KEY_BYTES);
  return {
    key: { id, sealed: personal.seal('person_keys.secret', id, secret.toString('base64')) },
    sealed: seal(keyOf(secret), place, text, random).toString('base64'),
  };
}

/** Opens a value with its key. Raises DataKeyMissing and SealBroken. */
export function openForPerson(open: Open, place: string, { key, sealed }: SealedForPerson): string {
  const secret = Buffer.from(open('person_keys.secret', key.id, `s${key.sealed}`), 'base64');
  return unseal(keyOf(secret), place, Buffer.from(sealed, 'base64'));
}

function keyOf(secret: Buffer): DataKey {
  return { id: NO_ID, secret: createSecretKey(secret) };
}
