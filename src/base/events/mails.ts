// Events about mails that could not be sent.
import { z } from 'zod';
import type { EventsOf } from './kind.ts';

const about = z.strictObject({
  kind: z.string().describe('of the mail, such as `invitation`'),
  subjectId: z.string().describe('what it is about, such as the id of the invitation'),
});

export const MAIL_EVENTS = {
  'mail.retried': {
    when: 'An operator let a mail that had been given up be tried again.',
    ...{ actor: ['operator'], target: 'mail', organization: 'maybe', data: about },
  },
  'mail.dropped': {
    when: 'An operator let a mail that waited or had been given up never be sent.',
    ...{ actor: ['operator'], target: 'mail', organization: 'maybe', data: about },
  },
} as const satisfies EventsOf<'mail'>;
