// The name of a key file, and the time from which the key signs. file.ts reads the key itself.

const SHAPE = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})-(\d{2})-(\d{2})Z/;

export type NamedInstant = { readonly instant: Date } | { readonly reason: string };

/** The UTC time at the start of a file name, or the reason why the name is not the name of a key file. */
export function instantOfName(name: string): NamedInstant {
  if (!name.endsWith('.pem')) return { reason: 'its name does not end in .pem' };
  const parts = SHAPE.exec(name);
  if (!parts) return { reason: 'its name does not begin with a UTC instant such as 2026-11-21T00-00-00Z' };
  const [year, month, day, hour, minute, second] = parts.slice(1).join('-').split('-');
  const text = `${year}-${month}-${day}T${hour}:${minute}:${second}.000Z`;
  const instant = new Date(text);
  // A date that does not exist fails to parse, or becomes another date (the 31st of a short month).
  const exists = !Number.isNaN(instant.getTime()) && instant.toISOString() === text && instant.getTime() >= 0;
  return exists ? { instant } : { reason: 'its name begins with an instant that does not exist' };
}

/**
 * The file name of a key that signs from `instant`, truncated to whole seconds. Raises RangeError for a year before
 * 1970 or after 9999.
 */
export function nameOfInstant(instant: Date, suffix = ''): string {
  const text = instant.toISOString();
  if (text.length !== 24 || instant.getTime() < 0)
    throw new RangeError('A key signs from an instant between 1970 and 9999');
  return `${text.slice(0, 19).replaceAll(':', '-')}Z${suffix}.pem`;
}

/** Compares names by code unit without their ending: `…Z-b.pem` comes after `…Z.pem` on every machine. */
export function compareNames(a: string, b: string): number {
  const [left, right] = [a.replace(/\.pem$/, ''), b.replace(/\.pem$/, '')];
  return left < right ? -1 : left > right ? 1 : 0;
}
