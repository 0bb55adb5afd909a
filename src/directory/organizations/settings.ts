// Validates and merges an organization's settings. They are any JSON object of limited size whose numbers have the same
// meaning for every reader. base/bodies/json.ts limits the depth, the keys and the text of every JSON body.

/** The maximum length of the settings, in bytes of compact JSON in UTF-8. */
export const SETTINGS_BYTES_MAX = 16 * 1024;

// JavaScript writes numbers that are closer to 0 than this with an exponent, and PostgreSQL writes them with all
// digits. A few bytes in the request would become hundreds of bytes in the database.
const NUMBER_MIN = 1e-6;

export type Settings = Readonly<Record<string, unknown>>;

/** Returns what is wrong with the size of the settings, or null. */
export function exceedsSize(settings: Settings): string | null {
  const isTooLarge = Buffer.byteLength(JSON.stringify(settings)) > SETTINGS_BYTES_MAX;
  return isTooLarge ? `must have at most ${SETTINGS_BYTES_MAX} bytes as compact JSON` : null;
}

/**
 * Merges a change into the settings (JSON Merge Patch, RFC 7396). Objects are merged key by key at every level, null
 * removes a key, and every other value replaces the current one. A key that the change does not name stays.
 */
export function mergeSettings(settings: Settings, change: Settings): Settings {
  return merged(settings, change) as Settings;
}

/** Merges one value. This function is recursive. The depth was limited when the body was read. */
function merged(target: unknown, change: unknown): unknown {
  if (!isObject(change)) return change;
  const result = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [key, value] of Object.entries(change)) {
    if (value === null) result.delete(key);
    else result.set(key, merged(result.get(key), value));
  }
  return Object.fromEntries(result);
}

function isObject(value: unknown): value is Settings {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns what is wrong with a change of the settings, or null. */
export function judgeSettings(settings: Settings): string | null {
  const tooLarge = exceedsSize(settings);
  if (tooLarge !== null) return tooLarge;
  return hasUnsafeNumber(settings)
    ? 'must not have whole numbers past 2^53, nor others closer to 0 than 0.000001: send them as strings'
    : null;
}

/**
 * Whether a value contains a number that readers may understand differently. This function is recursive. The depth was
 * limited when the body was read.
 */
function hasUnsafeNumber(value: unknown): boolean {
  if (typeof value === 'number') return !isSafe(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsafeNumber);
}

function isSafe(number: number): boolean {
  if (Number.isInteger(number)) return Number.isSafeInteger(number);
  return Number.isFinite(number) && Math.abs(number) >= NUMBER_MIN;
}
