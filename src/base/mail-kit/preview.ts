// A sample of each kind of mail in each language, with invented people. Operators can look at the samples before
// anybody receives a mail.
import { createTransport } from 'nodemailer';
import { LANGUAGES, type Language } from '../page-kit/language.ts';
import { type MailKit, writeMail } from './kit.ts';
import type { WrittenMail } from './layout.ts';
import { type About, TEMPLATES, type TemplateName } from './templates.ts';

const AT = new Date('2027-01-31T09:05:00Z');
const PROOF = {
  ...{ token: 'this-is-no-real-token-'.padEnd(43, '0'), expiresAt: AT },
  ...{ code: '40718265', codeExpiresAt: AT },
};
const ORIGIN = { at: AT, device: { browser: 'Firefox', system: 'Linux' }, network: '192.0.2.0/24' };

const SAMPLES: { readonly [Name in TemplateName]: About<Name> } = {
  verify_email: PROOF,
  registration: PROOF,
  reset_password: PROOF,
  account_exists: { reason: 'registered' },
  email_change_confirm: PROOF,
  email_change_notice: { newEmail: 'grace@mail.example.com', token: PROOF.token, expiresAt: AT },
  password_changed: ORIGIN,
  new_device: ORIGIN,
  account_closed: { at: AT },
  invitation: {
    ...{ organizationName: 'Analytical Engines', inviterName: 'Ada Lovelace' },
    ...{ token: PROOF.token, expiresAt: AT },
  },
  organization_suspended: { organizationName: 'Analytical Engines', at: AT },
};

export interface PreviewedMail extends WrittenMail {
  readonly kind: TemplateName;
  readonly language: Language;
}

/** Writes one mail of each kind in each language. */
export function previewMails(kit: MailKit): PreviewedMail[] {
  return (Object.keys(TEMPLATES) as TemplateName[]).flatMap((kind) =>
    LANGUAGES.map((language) => {
      const about: About<TemplateName> = SAMPLES[kind];
      return { kind, language, ...writeMail(kit, kind, language, about) };
    }),
  );
}

/** The mail as a mail program opens it (RFC 5322). */
export async function toMessage({ subject, text, html }: WrittenMail, from: string): Promise<Buffer> {
  const to = { name: '', address: 'grace@example.com' };
  const headers = { 'Auto-Submitted': 'auto-generated' };
  const sent = await createTransport({ streamTransport: true, buffer: true, newline: 'windows' }).sendMail({
    ...{ from, to, subject, text, html, headers },
    ...{ date: AT, messageId: '<preview@localhost>' },
  });
  return sent.message as Buffer;
}
