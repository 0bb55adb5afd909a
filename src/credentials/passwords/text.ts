// The form of a password's text that is measured, hashed and compared. policy.ts decides which passwords may be
// set.

/** The maximum number of code points of a password, counted after NFC. They take at most 1024 bytes in UTF-8. */
export const PASSWORD_LENGTH_MAX = 256;

/**
 * The maximum number of UTF-16 code units that are normalised: 256 code points are at most 512 units, and their longest
 * canonical spelling is four times that.
 */
// Normalising a run of n combining marks takes n² steps on the event loop: 100,000 of them stop it for seconds.
const TEXT_UNITS_MAX = 8 * PASSWORD_LENGTH_MAX;

/** True for a text that is too long to be a password in any spelling. */
export function isBeyondAnyPassword(text: string): boolean {
  return text.length > TEXT_UNITS_MAX;
}

/**
 * The NFC form of a password (NIST SP 800-63B-4 section 3.1.1.2), or null for a text that is too long or has unpaired
 * surrogates. All unpaired surrogates would become the same bytes in UTF-8.
 */
export function normalisePassword(password: string): string | null {
  if (isBeyondAnyPassword(password) || !password.isWellFormed()) return null;
  return password.normalize('NFC');
}
