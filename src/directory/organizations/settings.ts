// What an organization's settings may be: a JSON object of its own choosing, bounded in size, with numbers that mean the
// same to every reader. Depth, keys and text are bounded for every body (http/body.ts).

/** Bytes that settings may have as compact JSON in UTF-8. */
export const SETTINGS_BYTES_MAX = 16 * 1024;

// Below it JavaScript writes an exponent, which PostgreSQL writes out: a few bytes would become hundreds.
const NUMBER_MIN = 1e-6;

/** What is wrong with the settings, or null. */
export function judgeSettings(settings: Readonly<Record<string, unknown>>): string | null {
  if (Buffer.byteLength(JSON.stringify(settings)) > SETTINGS_BYTES_MAX) {
    return `must have at most ${SETTINGS_BYTES_MAX} bytes as compact JSON`;
  }
  return hasUnsafeNumber(settings)
    ? 'must not have whole numbers past 2^53, nor others closer to 0 than 0.000001: send them as strings'
    : null;
}

/** The depth is bounded by whoever has read the body. */
function hasUnsafeNumber(value: unknown): boolean {
  if (typeof value === 'number') return !isSafe(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeNumber);
}

function isSafe(number: number): boolean {
  if (Number.isInteger(number)) return Number.isSafeInteger(number);
  return Number.isFinite(number) && Math.abs(number) >= NUMBER_MIN;
}
