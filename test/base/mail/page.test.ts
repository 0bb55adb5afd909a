// docs/mail.md lists every cause with the sentence that the service prints, and the limit of every kind of mail.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MAIL_FAILURES } from '../../../src/base/mail/failures.ts';
import { TEMPLATES } from '../../../src/base/mail-kit/templates.ts';
import { ROOT } from '../../support/service.ts';

const page = readFileSync(join(ROOT, 'docs', 'mail.md'), 'utf8');

t.test('the page on mail says for every kind how many mails one address gets', async (t) => {
  const [, section = ''] = page.split('## How many mails one address gets');
  const rows = section.split('\n## ')[0]?.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm) ?? [];
  const listed = [...rows].flatMap(([, names = '']) => names.replaceAll('`', '').split(', '));
  // account_exists is sent in place of other kinds.
  const kinds = Object.keys(TEMPLATES).filter((kind) => kind !== 'account_exists');
  t.same(listed.sort(), kinds.sort());
});

t.test('the page on mail lists every cause with its sentence, and no other', async (t) => {
  const [, table = ''] = page.split('## Why it was not accepted');
  const listed = [...table.matchAll(/^\| `(\w+)` \| (.+) \|$/gm)].map(([, code, sentence]) => [code, sentence]);
  t.same(listed, Object.entries(MAIL_FAILURES));
});
