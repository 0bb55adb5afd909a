// The settings for the pages that people see in a browser.
import { z } from 'zod';

export const PAGES = {
  DEFAULT_LOCALE: z.enum(['en', 'pt', 'es']).default('en').meta({
    description:
      'The language of pages for a browser that asks for none of these languages, and of mails to people whose language is unknown.',
  }),
  BRAND_NAME: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(60, 'must have at most 60 characters')
    .default('Tenantry')
    .meta({ description: 'The name at the top of every page.' }),
  BRAND_LOGO: z.string().optional().meta({
    description: 'The path of an SVG or PNG file of at most 256 KiB, which pages show beside the name.',
  }),
  BRAND_ACCENT: z
    .string()
    .regex(/^#[0-9a-f]{6}$/i, 'must be a colour such as #0b6e4f')
    .default('#1f5fbf')
    .meta({
      description:
        'The colour of buttons and links. Where its contrast is too low for reading, in the light or the dark theme, pages use a darker or lighter shade of it.',
    }),
  BRAND_CSS: z.string().optional().meta({
    description: 'The path of a CSS file of at most 256 KiB. It is added to the end of the stylesheet of the pages.',
  }),
} as const;
