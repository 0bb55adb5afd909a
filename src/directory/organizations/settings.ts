// Validates an organization's settings: any JSON object of limited size whose numbers mean the same to every reader.
// base/http/body.ts limits the depth, keys and text of every body.

/** The longest settings, in bytes of compact JSON in UTF-8. */
export const SETTINGS_BYTES_MAX = 16 * 1024;

// JavaScript writes smaller numbers with an exponent, and PostgreSQL writes them with all digits: a few bytes would
// become hundreds.
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

/** Recursive. The depth was limited when the body was read. */
function hasUnsafeNumber(value: unknown): boolean {
  if (typeof value === 'number') return !isSafe(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeNumber);
}

function isSafe(number: number): boolean {
  if (Number.isInteger(number)) return Number.isSafeInteger(number);
  return Number.isFinite(number) && Math.abs(number) >= NUMBER_MIN;
}
