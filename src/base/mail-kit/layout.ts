// The layout of every mail. A mail has one content, from which its text and its HTML are written. The HTML has no
// content from elsewhere: no image, no font, no stylesheet. Mail programs know few rules of CSS and drop many, so each
// element has its own style, and the colours of the dark theme are the only ones that a stylesheet sets.
import type { Branding } from '../page-kit/branding.ts';
import { type Html, html } from '../page-kit/html.ts';
import type { Language } from '../page-kit/language.ts';
import { partsOf, plainSentence } from './names.ts';

export interface MailLink {
  readonly label: string;
  readonly url: string;
}

/** What a mail says. Names that people choose are in it as nameInSentence() returns them. */
export interface MailContent {
  readonly subject: string;
  /** The first sentences. */
  readonly paragraphs: readonly string[];
  /** Facts with their names, such as the time of a change. */
  readonly details?: readonly (readonly [name: string, value: string])[];
  /** The first link is a button. */
  readonly links?: readonly MailLink[];
  readonly code?: { readonly label: string; readonly digits: string } | undefined;
  /** Explanations: how long the link works, and what to do if the mail was not expected. */
  readonly notes: readonly string[];
}

export interface MailFrame {
  readonly language: Language;
  readonly branding: Pick<Branding, 'name' | 'accent'>;
  /** The last line, which says who sent the mail. */
  readonly footer: string;
}

/** A mail without its recipient. */
export interface WrittenMail {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** Writes the mail. */
export function layOut(frame: MailFrame, content: MailContent): WrittenMail {
  return {
    subject: plainSentence(content.subject),
    text: textOf(frame, content),
    html: htmlOf(frame, content).toString(),
  };
}

function textOf({ footer }: MailFrame, { paragraphs, details = [], links = [], code, notes }: MailContent): string {
  const blocks = [
    ...paragraphs,
    details.map(([name, value]) => `${name}: ${value}`).join('\n'),
    ...links.map(({ label, url }) => `${label}:\n${url}`),
    code ? `${code.label}\n${code.digits}` : '',
    notes.join('\n'),
    `-- \n${footer}`, // RFC 3676 §4.3: what follows is a signature
  ];
  return `${blocks
    .filter((block) => block !== '')
    .map(plainSentence)
    .join('\n\n')}\n`;
}

/** The colours of the dark theme. A mail program that drops the stylesheet shows the light one. */
const STYLE = html`<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .ground { background: #101216 !important; }
  .paper { background: #181b20 !important; border-color: #333942 !important; }
  .text { color: #e8eaed !important; }
  .quiet { color: #a9b0ba !important; }
  .code { background: #20262f !important; border-color: #333942 !important; color: #e8eaed !important; }
}
</style>`;

function htmlOf(frame: MailFrame, content: MailContent): Html {
  const { language, branding, footer } = frame;
  const title = plainSentence(content.subject);
  // The outer table has the language and the direction once more, because many mail programs drop the elements around
  // it.
  return html`<!doctype html>
<html lang="${language}" dir="ltr">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark">
<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">
<title>${title}</title>
${STYLE}
</head>
<body class="ground" style="margin: 0; padding: 0; background: #f4f5f7">
<table role="presentation" class="ground" lang="${language}" dir="ltr" width="100%" cellpadding="0" cellspacing="0" border="0" style="background: #f4f5f7">
<tr><td align="center" style="padding: 24px 12px">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" border="0" style="max-width: 560px; table-layout: fixed; font-family: system-ui, -apple-system, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif; font-size: 16px; line-height: 1.5">
<tr><td class="text" style="padding: 0 4px 16px; font-weight: 600; font-size: 18px; color: #1b1f24">${branding.name}</td></tr>
<tr><td class="paper text" style="padding: 24px; background: #ffffff; border: 1px solid #d5d9de; border-radius: 8px; color: #1b1f24; word-wrap: break-word; overflow-wrap: anywhere">
<h1 class="text" style="margin: 0 0 16px; font-size: 22px; line-height: 1.25; color: #1b1f24">${sentence(content.subject)}</h1>
${content.paragraphs.map((text) => html`<p style="margin: 0 0 16px">${sentence(text)}</p>\n`)}
${detailTable(content)}
${linkList(frame, content)}
${codeBlock(content)}
<p class="quiet" style="margin: 0; font-size: 14px; color: #545c66">${content.notes.map((text, index) => html`${index > 0 && html`<br>\n`}${sentence(text)}`)}</p>
</td></tr>
<tr><td class="quiet" style="padding: 16px 4px 0; font-size: 13px; color: #545c66">${sentence(footer)}</td></tr>
</table>
</td></tr>
</table>
</body>
</html>
`;
}

function sentence(text: string): Html {
  const parts = partsOf(text).map((part) => (part.isName ? html`<bdi>${part.text}</bdi>` : part.text));
  return html`${parts}`;
}

function detailTable({ details = [] }: MailContent): Html | null {
  if (details.length === 0) return null;
  const rows = details.map(
    ([name, value]) => html`<tr>
<th scope="row" align="start" valign="top" class="quiet" style="padding: 2px 16px 2px 0; font-weight: 400; text-align: start; white-space: nowrap; color: #545c66">${name}</th>
<td valign="top" width="100%" style="padding: 2px 0">${sentence(value)}</td>
</tr>\n`,
  );
  return html`<table cellpadding="0" cellspacing="0" border="0" style="margin: 0 0 16px; font-size: 16px; line-height: 1.5">
${rows}</table>`;
}

function linkList({ branding }: MailFrame, { links = [] }: MailContent): Html | null {
  const [first, ...others] = links;
  if (!first) return null;
  // The colour of the button is in an attribute, which a template may fill. White can be read on it in both themes.
  return html`<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="margin: 0 0 20px">
<tr><td bgcolor="${branding.accent}" align="center" style="border-radius: 8px">
<a href="${first.url}" style="display: inline-block; padding: 12px 22px; font-weight: 600; color: #ffffff; text-decoration: none">${first.label}</a>
</td></tr>
</table>
${others.map(
  ({ label, url }) =>
    html`<p style="margin: 0 0 16px"><a class="text" href="${url}" style="color: #1b1f24">${label}</a></p>\n`,
)}`;
}

function codeBlock({ code }: MailContent): Html | null {
  if (!code) return null;
  return html`<p style="margin: 0 0 8px">${code.label}</p>
<p class="code" style="margin: 0 0 20px; padding: 12px 8px; text-align: center; font-family: ui-monospace, Menlo, Consolas, monospace; font-size: 30px; line-height: 1.25; letter-spacing: 4px; white-space: nowrap; background: #eef2f8; border: 1px solid #d5d9de; border-radius: 8px; color: #1b1f24">${code.digits}</p>`;
}
