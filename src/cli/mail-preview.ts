// The command `tenantry mail preview` writes an example of every mail into a folder, so that operators can look at the
// mails. It needs no database.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { OperatorError } from '../base/errors/operator-error.ts';
import { openMailKit } from '../base/mail-kit/kit.ts';
import { type PreviewedMail, previewMails, toMessage } from '../base/mail-kit/preview.ts';
import { readBranding } from '../base/page-kit/branding.ts';
import { html } from '../base/page-kit/html.ts';
import { act, leaf, type Outcome } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { configuration, fileOf } from './line/operator.ts';

interface PreviewOptions {
  readonly directory: string;
}

/** A file of the preview cannot be written. */
class PreviewRefused extends OperatorError {
  override readonly name = 'PreviewRefused';
}

/** Adds the command. */
export function mailPreviewCommand(mail: Command, invocation: Invocation): void {
  leaf(mail, 'preview', 'Write every mail in every language into a folder, with invented people')
    .option('--directory <folder>', 'the folder, which is made if it is missing', 'mail-preview')
    .action(act<PreviewOptions>(invocation, preview));
}

async function preview(invocation: Invocation, options: PreviewOptions): Promise<Outcome> {
  const config = configuration(invocation);
  const branding = readBranding(config);
  const kit = openMailKit({ branding, defaultLanguage: config.DEFAULT_LOCALE, urls: config });
  const mails = previewMails(kit);
  const directory = fileOf(invocation, options.directory);
  const files = new Map<string, string | Buffer>([['index.html', indexOf(mails)]]);
  for (const mail of mails) {
    const stem = stemOf(mail);
    files.set(`${stem}.html`, mail.html);
    files.set(`${stem}.txt`, `${mail.subject}\n\n${mail.text}`);
    files.set(`${stem}.eml`, await toMessage(mail, config.MAIL_FROM));
  }
  try {
    mkdirSync(directory, { recursive: true });
    for (const [name, content] of files) writeFileSync(join(directory, name), content);
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    throw new PreviewRefused(`${path ?? directory} cannot be written (${code}): name another folder by --directory`);
  }
  const index = join(directory, 'index.html');
  return { document: { data: { index, files: [...files.keys()] } }, text: `${mails.length} mails: open ${index}` };
}

const stemOf = ({ kind, language }: PreviewedMail) => `${kind}.${language}`;

function indexOf(mails: readonly PreviewedMail[]): string {
  const item = (mail: PreviewedMail) => {
    const link = (type: string) => html`<a href="./${stemOf(mail)}.${type}">${type}</a>`;
    return html`<li><span lang="${mail.language}">${mail.subject}</span>: ${stemOf(mail)} ${link('html')} ${link('txt')} ${link('eml')}</li>\n`;
  };
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>Mails</title></head>
<body>
<h1>Mails</h1>
<ul>
${mails.map(item)}</ul>
</body>
</html>
`.toString();
}
