// The settings for registration and passwords.
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { wholeNumber } from '../fields.ts';

export const PASSWORDS = {
  REGISTRATION_MODE: z.enum(['open', 'verified', 'closed']).default('open').meta({
    description:
      'open: anyone may register, and the account works at once. verified: anyone may register, and the account exists once a mail has proven the mailbox; the answer never says which e-mails have an account. closed: only people with an invitation may.',
  }),
  UNVERIFIED_ACCOUNT_TTL: wholeNumber(0, 3650).default(30).meta({
    description:
      'With REGISTRATION_MODE=verified: an account whose mailbox nobody has proven after this number of days is removed, unless somebody uses it. 0 never removes one.',
  }),
  PASSWORD_MIN_LENGTH: wholeNumber(8, 128)
    .default(8)
    .meta({ description: 'The shortest password, in characters. 15 is recommended (NIST SP 800-63B-4).' }),
  PASSWORD_HASH_MEMORY_KIB: wholeNumber(19_456, 262_144)
    .default(19_456)
    .meta({ description: 'Memory of argon2id in KiB. A hash with other parameters is replaced at the next login.' }),
  PASSWORD_HASH_ITERATIONS: wholeNumber(2, 20).default(2).meta({ description: 'Iterations of argon2id.' }),
  PASSWORD_HASH_PARALLELISM: wholeNumber(1, 16).default(1).meta({ description: 'Lanes of argon2id.' }),
  PASSWORD_HASH_CONCURRENCY: wholeNumber(1, 64)
    .default(Math.min(availableParallelism(), 64))
    .meta({ description: 'How many password hashes are computed at the same time.', default: 'the number of cores' }),
  PASSWORD_HASH_QUEUE: wholeNumber(0, 10_000)
    .default(64)
    .meta({ description: 'How many password hashes may wait. Further sign-ins get 503 with Retry-After.' }),
} as const;
