// One mail of each kind. A test gives the text that stands in place of everything that people choose.
import type { About, TemplateName } from '../../../src/base/mail-kit/templates.ts';

export const TOKEN = 'T0ken-_'.padEnd(43, 'x');
export const DIGITS = '40718265';
const AT = new Date('2026-12-02T09:05:00Z');

/** What the mail of each kind is about, with `text` as every name, device and address. */
export function samplesWith(text: string): { readonly [Name in TemplateName]: About<Name> } {
  const proof = { token: TOKEN, expiresAt: AT, code: DIGITS, codeExpiresAt: AT };
  const origin = { at: AT, device: { browser: text, system: text }, network: text };
  return {
    verify_email: proof,
    registration: proof,
    reset_password: proof,
    account_exists: { reason: 'registered' },
    email_change_confirm: proof,
    email_change_notice: { newEmail: text, token: TOKEN, expiresAt: AT },
    password_changed: origin,
    new_device: origin,
    account_closed: { at: AT },
    invitation: { organizationName: text, inviterName: text, token: TOKEN, expiresAt: AT },
    organization_suspended: { organizationName: text, at: AT },
  };
}
