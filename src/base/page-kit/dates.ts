// Instants in the language of a page. Pages do not know the time zone of a person, so days and times are in UTC. After
// a time of day, pages show "UTC".

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
] as const;

/** Returns the day of an instant. */
export function day(language: string, instant: string): string {
  return new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(instant));
}

/** Returns the day and the time of day of an instant. */
export function moment(language: string, instant: Date): string {
  const format = new Intl.DateTimeFormat(language, { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' });
  return `${format.format(instant)} UTC`;
}

/** Returns how long ago an instant was, in whole units. */
export function ago(language: string, instant: string, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - Date.parse(instant)) / 1000);
  const format = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
  for (const [unit, length] of UNITS) if (seconds >= length) return format.format(-Math.floor(seconds / length), unit);
  return format.format(0, 'minute');
}
