// docs/mail.md lists every cause with the sentence that the service prints.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MAIL_FAILURES } from '../../../src/base/mail/failures.ts';
import { ROOT } from '../../support/service.ts';

t.test('the page on mail lists every cause with its sentence, and no other', async (t) => {
  const page = readFileSync(join(ROOT, 'docs', 'mail.md'), 'utf8');
  const [, table = ''] = page.split('## Why it was not accepted');
  const listed = [...table.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, code, sentence]) => [code, sentence]);
  t.same(listed, Object.entries(MAIL_FAILURES));
});
