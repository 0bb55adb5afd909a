// The least work that argon2 does for a hash: a tenth of a millisecond, where the service's own takes thirty.
import type { PasswordParameters } from '../../src/credentials/passwords/hashing.ts';

export const QUICK_HASH: PasswordParameters = { memoryKiB: 8, iterations: 1, parallelism: 1 };
