// The cheapest parameters that argon2 accepts. A hash takes 0.1 ms with these parameters, and 30 ms with the service's
// defaults.
import type { PasswordParameters } from '../../src/credentials/passwords/hashing.ts';

export const QUICK_HASH: PasswordParameters = { memoryKiB: 8, iterations: 1, parallelism: 1 };
