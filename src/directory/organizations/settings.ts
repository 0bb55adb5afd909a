// Validates an organization's settings. They are any JSON object of limited size whose numbers have the same meaning
// for every reader. base/http/body.ts limits the depth, the keys and the text of every body.

/** The maximum length of the settings, in bytes of compact JSON in UTF-8. */
export const SETTINGS_BYTES_MAX = 16 * 1024;

// JavaScript writes numbers below this limit with an exponent, and PostgreSQL writes them with all digits. A few bytes
// in the request would become hundreds of bytes in the database.
const NUMBER_MIN = 1e-6;

/** Returns what is wrong with the settings, or null. */
export function judgeSettings(settings: Readonly<Record<string, unknown>>): string | null {
  if (Buffer.byteLength(JSON.stringify(settings)) > SETTINGS_BYTES_MAX) {
    return `must have at most ${SETTINGS_BYTES_MAX} bytes as compact JSON`;
  }
  return hasUnsafeNumber(settings)
    ? 'must not have whole numbers past 2^53, nor others closer to 0 than 0.000001: send them as strings'
    : null;
}

/** This function is recursive. The depth was limited when the body was read. */
function hasUnsafeNumber(value: unknown): boolean {
  if (typeof value === 'number') return !isSafe(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeNumber);
}

function isSafe(number: number): boolean {
  if (Number.isInteger(number)) return Number.isSafeInteger(number);
  return Number.isFinite(number) && Math.abs(number) >= NUMBER_MIN;
}
