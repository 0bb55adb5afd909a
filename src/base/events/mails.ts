// Events about mails that an operator retried or dropped.
import { z } from 'zod';
import type { EventsOf } from './kind.ts';

const about = z.strictObject({
  kind: z.string().describe('the kind of the mail, such as `invitation`'),
  subjectId: z.string().describe('the subject of the mail, such as the id of the invitation'),
});

export const MAIL_EVENTS = {
  'mail.retried': {
    when: 'An operator requested another attempt to send a dead mail.',
    ...{ actor: ['operator'], target: 'mail', organization: 'maybe', data: about },
  },
  'mail.dropped': {
    when: 'An operator dropped a waiting or dead mail. It is never sent, unless it was being sent at that moment.',
    ...{ actor: ['operator'], target: 'mail', organization: 'maybe', data: about },
  },
} as const satisfies EventsOf<'mail'>;
