// What sealing needs from the keys of an installation. credentials/data-keys reads them from files.
import { OperatorError } from '../errors/operator-error.ts';
import type { LookupKey } from './lookup.ts';
import { type DataKey, DataKeyMissing } from './sealing.ts';

export interface DataKeys {
  /** The key that seals now. Raises DataKeyMissing. */
  sealingKey(): DataKey;
  /** The key with this id; undefined if it is unknown at the moment. */
  find(id: string): DataKey | undefined;
  /** The key of the lookups. Raises DataKeyMissing. */
  lookupKey(): LookupKey;
  hasLookupKey(): boolean;
  /** Reads the files again. Never rejects: a failure is logged. */
  reload(): Promise<void>;
}

/** The service or a command cannot work with the data keys. The message says what to do. */
export class DataKeysRefused extends OperatorError {
  override readonly name = 'DataKeysRefused';
}

function missing(): never {
  throw new DataKeyMissing('This process has no data keys');
}

/** For a process that never touches personal data. Sealing, opening and lookups raise DataKeyMissing. */
export const NO_DATA_KEYS: DataKeys = {
  sealingKey: missing,
  find: () => undefined,
  lookupKey: missing,
  hasLookupKey: () => false,
  reload: async () => undefined,
};
