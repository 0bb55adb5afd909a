// What sealing needs from the keys of an installation. credentials/data-keys reads them from files.
import type { LookupKey } from './lookup.ts';
import { type DataKey, DataKeyMissing } from './sealing.ts';

export interface DataKeys {
  /** The key that seals now. Raises DataKeyMissing. */
  sealingKey(): DataKey;
  /** The key with this id; undefined if it is unknown at the moment. */
  find(id: string): DataKey | undefined;
  /** Raises DataKeyMissing. */
  lookupKey(): LookupKey;
  /** Reads the files again. Never rejects: a failure is logged. */
  reload(): Promise<void>;
}

function missing(): never {
  throw new DataKeyMissing('This process has no data keys');
}

/** For a process that never touches personal data. Any use raises DataKeyMissing. */
export const NO_DATA_KEYS: DataKeys = {
  sealingKey: missing,
  find: () => undefined,
  lookupKey: missing,
  reload: async () => undefined,
};
