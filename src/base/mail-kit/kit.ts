// What every mail of an installation shares, and the function that writes a mail of one kind in one language.
import type { Branding } from '../page-kit/branding.ts';
import type { Language } from '../page-kit/language.ts';
import type { MailTexts } from './catalogues/catalogue.ts';
import { en } from './catalogues/en.ts';
import { es } from './catalogues/es.ts';
import { pt } from './catalogues/pt.ts';
import { layOut, type MailContent, type WrittenMail } from './layout.ts';
import { type LinkSettings, type MailLinks, openMailLinks } from './links.ts';
import { type About, TEMPLATES, type TemplateInput, type TemplateName } from './templates.ts';

export interface MailKit {
  readonly branding: Pick<Branding, 'name' | 'accent'>;
  /** The language for a recipient whose language is unknown. */
  readonly defaultLanguage: Language;
  readonly links: MailLinks;
}

export interface MailKitSettings extends Omit<MailKit, 'links'> {
  /** Where the links of mails lead. */
  readonly urls: LinkSettings;
}

const TEXTS: Readonly<Record<Language, MailTexts>> = { en, pt, es };

export function openMailKit({ branding, defaultLanguage, urls }: MailKitSettings): MailKit {
  return { branding, defaultLanguage, links: openMailLinks(urls) };
}

/** Writes the mail of a kind in the language of the recipient. With null, uses the language of the installation. */
export function writeMail<Name extends TemplateName>(
  { branding, defaultLanguage, links }: MailKit,
  name: Name,
  locale: Language | null,
  about: About<Name>,
): WrittenMail {
  const language = locale ?? defaultLanguage;
  const texts = TEXTS[language];
  const template = TEMPLATES[name] as (input: TemplateInput<About<Name>>) => MailContent;
  const content = template({ about, texts, links, brand: branding.name, language });
  return layOut({ language, branding, footer: texts.footer(branding.name) }, content);
}
