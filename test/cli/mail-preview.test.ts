// `tenantry mail preview` writes every mail in every language, and needs no database.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { TEMPLATES } from '../../src/base/mail-kit/templates.ts';
import { openCli } from './command-line.ts';

const folder = mkdtempSync(join(tmpdir(), 'tenantry-preview-'));
t.teardown(() => rmSync(folder, { recursive: true }));

t.test('every mail is written in every language, as HTML, as text and as a message', async (t) => {
  const directory = join(folder, 'new', 'folder');
  const cli = openCli({ BRAND_NAME: 'Acme & Co', PUBLIC_APP_URL: 'https://app.example', MAIL_FROM: 'a@acme.example' });
  const { status, stdout, stderr } = await cli('mail', 'preview', '--directory', directory);
  t.equal(status, 0, stderr);
  t.match(stdout, join(directory, 'index.html'));
  const wanted = Object.keys(TEMPLATES).flatMap((kind) =>
    ['en', 'pt', 'es'].flatMap((language) => ['html', 'txt', 'eml'].map((type) => `${kind}.${language}.${type}`)),
  );
  t.same(readdirSync(directory).sort(), ['index.html', ...wanted].sort());
  const read = (file: string) => readFileSync(join(directory, file), 'utf8');
  const linked = [...read('index.html').matchAll(/href="\.\/([^"]+)"/g)].map(([, file]) => file);
  t.same(linked.sort(), wanted.sort());
  t.match(read('verify_email.pt.html'), 'Acme &amp; Co');
  t.match(read('verify_email.pt.txt'), 'https://app.example/verify-email#token=');
  t.match(read('invitation.es.eml'), /^From: a@acme\.example\r\nTo: grace@example\.com\r\nSubject: /m);
  t.match(read('invitation.es.eml'), /Auto-Submitted: auto-generated/);
});

t.test('a folder that cannot be made is named, with the cause', async (t) => {
  writeFileSync(join(folder, 'file'), '');
  const directory = join(folder, 'file', 'below');
  const { status, stderr } = await openCli({})('mail', 'preview', '--directory', directory);
  t.equal(status, 1);
  t.match(stderr, /cannot be written \(ENOTDIR\): name another folder by --directory/);
});
