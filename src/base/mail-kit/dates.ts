// Instants in the language of a mail. The time zone of the recipient is not known, so the time is in UTC, and says so.
import type { Language } from '../page-kit/language.ts';

/** The day and the time of an instant. */
export function instantText(language: Language, instant: Date): string {
  return new Intl.DateTimeFormat(language, {
    ...{ year: 'numeric', month: 'long', day: 'numeric' },
    ...{ hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
    ...{ timeZone: 'UTC', timeZoneName: 'short' },
  }).format(instant);
}
