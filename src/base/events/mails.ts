// Events about mails that wait to be sent, or that could not be.
import { z } from 'zod';
import type { EventsOf } from './kind.ts';

const data = z.strictObject({
  kind: z.string().describe('of the mail'),
  subjectId: z.uuid().describe('what the mail is about, such as the invitation'),
});

export const MAIL_EVENTS = {
  'mail.retried': {
    when: 'An operator let a mail be tried again that could not be sent.',
    ...{ actor: ['operator'], target: 'mail', organization: 'maybe', data },
  },
  'mail.dropped': {
    when: 'An operator let a mail never be sent.',
    ...{ actor: ['operator'], target: 'mail', organization: 'maybe', data },
  },
} as const satisfies EventsOf<'mail'>;
