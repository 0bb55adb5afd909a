// The template of each kind of mail. It is a pure function from what the mail is about to its content. The mails of a
// registration contain neither the name nor the organization that was typed, because anybody can type them for any
// address. The names in other mails are made safe here (names.ts).
import type { Language } from '../page-kit/language.ts';
import type { MailTexts } from './catalogues/catalogue.ts';
import { instantText } from './dates.ts';
import type { MailContent } from './layout.ts';
import type { MailLinks } from './links.ts';
import { maskedEmail, nameInSentence } from './names.ts';

/** What a template gets. */
export interface TemplateInput<About> {
  readonly about: About;
  readonly texts: MailTexts;
  readonly links: MailLinks;
  /** The name of the installation. */
  readonly brand: string;
  readonly language: Language;
}

/**
 * The token of a link, and a code of eight digits that does the same, for people who read the mail on another device.
 */
export interface Proof {
  readonly token: string;
  readonly expiresAt: Date;
  /** `code` and `codeExpiresAt` are null for a mail without a code. */
  readonly code: string | null;
  readonly codeExpiresAt: Date | null;
}

/** When and where something was done. The device is what its user agent claims (sign-in/notices/device-name.ts). */
export interface Origin {
  readonly at: Date;
  readonly device: { readonly browser: string; readonly system: string | null } | null;
  /** The network, such as 192.0.2.0/24, and never the address itself. */
  readonly network: string | null;
}

function proof(
  { about: { code, codeExpiresAt, expiresAt }, texts, language }: TemplateInput<Proof>,
  { unasked, linkTerms = texts.linkTerms }: { readonly unasked: string; readonly linkTerms?: MailTexts['linkTerms'] },
): Pick<MailContent, 'code' | 'notes'> {
  const terms = codeExpiresAt === null ? [] : [texts.codeTerms(instantText(language, codeExpiresAt))];
  return {
    code: code === null ? undefined : { label: texts.code, digits: code },
    notes: [linkTerms(instantText(language, expiresAt)), ...terms, unasked],
  };
}

function verifyEmail(input: TemplateInput<Proof>): MailContent {
  const { subject, body, link: label, unasked } = input.texts.verifyEmail;
  const links = [{ label, url: input.links.verifyEmail(input.about.token) }];
  return { subject, paragraphs: [body(input.brand)], links, ...proof(input, { unasked }) };
}

function registration(input: TemplateInput<Proof>): MailContent {
  const { subject, body, link: label, linkTerms, unasked } = input.texts.registration;
  const links = [{ label, url: input.links.verifyEmail(input.about.token) }];
  return { subject, paragraphs: [body(input.brand)], links, ...proof(input, { unasked, linkTerms }) };
}

function resetPassword(input: TemplateInput<Proof>): MailContent {
  const { subject, body, link: label, unasked } = input.texts.resetPassword;
  const links = [{ label, url: input.links.resetPassword(input.about.token) }];
  return { subject, paragraphs: [body(input.brand)], links, ...proof(input, { unasked }) };
}

function emailChangeConfirm(input: TemplateInput<Proof>): MailContent {
  const { subject, body, link: label, unasked } = input.texts.emailChangeConfirm;
  const links = [{ label, url: input.links.confirmEmail(input.about.token) }];
  return { subject, paragraphs: [body(input.brand)], links, ...proof(input, { unasked }) };
}

/** What somebody tried with an address that has an account. */
export interface AccountExists {
  readonly reason: 'registered' | 'invited' | 'emailChange';
}

function accountExists({ about, texts, links, brand }: TemplateInput<AccountExists>): MailContent {
  const { subject, body, signIn, forgotPassword, unasked } = texts.accountExists;
  return {
    subject,
    paragraphs: [texts.accountExists[about.reason](brand), body],
    links: [
      { label: signIn, url: links.signIn() },
      { label: forgotPassword, url: links.forgotPassword() },
    ],
    notes: [unasked],
  };
}

/** A change of the address of an account, for the owner of the former one. */
export interface EmailChange {
  readonly newEmail: string;
  /** The token that takes the former address back. */
  readonly token: string;
  readonly expiresAt: Date;
}

function emailChangeNotice({ about, texts, links, brand, language }: TemplateInput<EmailChange>): MailContent {
  const { subject, body, expected, link: label, unasked } = texts.emailChangeNotice;
  return {
    subject,
    paragraphs: [body(brand)],
    details: [[texts.facts.newAddress, maskedEmail(about.newEmail)]],
    links: [{ label, url: links.revertEmail(about.token) }],
    notes: [expected, unasked(instantText(language, about.expiresAt))],
  };
}

const NETWORK = /^[0-9a-f.:]{1,45}(\/\d{1,3})?$/i;

function origin({ about, texts: { facts }, language }: TemplateInput<Origin>): NonNullable<MailContent['details']> {
  const { at, device, network } = about;
  const [browser, system] = [nameInSentence(device?.browser ?? null), nameInSentence(device?.system ?? null)];
  const named = browser !== null && system !== null ? facts.deviceOn(browser, system) : (browser ?? system);
  return [
    [facts.time, instantText(language, at)],
    ...(named === null && network === null ? [] : ([[facts.device, named ?? facts.unknownDevice]] as const)),
    ...(network !== null && NETWORK.test(network) ? ([[facts.network, network]] as const) : []),
  ];
}

function passwordChanged(input: TemplateInput<Origin>): MailContent {
  const { subject, body, link: label, unasked } = input.texts.passwordChanged;
  const links = [{ label, url: input.links.forgotPassword() }];
  return { subject, paragraphs: [body(input.brand)], details: origin(input), links, notes: [unasked] };
}

function newDevice(input: TemplateInput<Origin>): MailContent {
  const { subject, body, link: label, unasked } = input.texts.newDevice;
  const links = [{ label, url: input.links.devices() }];
  return { subject, paragraphs: [body(input.brand)], details: origin(input), links, notes: [unasked] };
}

function accountClosed({ about, texts, brand, language }: TemplateInput<{ readonly at: Date }>): MailContent {
  const { subject, body, unasked } = texts.accountClosed;
  const details = [[texts.facts.time, instantText(language, about.at)]] as const;
  return { subject, paragraphs: [body(brand)], details, notes: [unasked(brand)] };
}

export interface InvitationAbout {
  readonly organizationName: string;
  /** Null when an operator sends the invitation. */
  readonly inviterName: string | null;
  readonly token: string;
  readonly expiresAt: Date;
}

function invitation({ about, texts, links, language }: TemplateInput<InvitationAbout>): MailContent {
  const { subject, someOrganization, invites, invited, link: label, unasked } = texts.invitation;
  const organization = nameInSentence(about.organizationName) ?? someOrganization;
  const inviter = nameInSentence(about.inviterName);
  return {
    subject: subject(organization),
    paragraphs: [inviter === null ? invited(organization) : invites(inviter, organization)],
    links: [{ label, url: links.acceptInvitation(about.token) }],
    notes: [texts.linkTerms(instantText(language, about.expiresAt)), unasked],
  };
}

export interface OrganizationSuspended {
  readonly organizationName: string;
  readonly at: Date;
}

function organizationSuspended(input: TemplateInput<OrganizationSuspended>): MailContent {
  const { about, texts, brand, language } = input;
  const { subject, someOrganization, body, effect, unasked } = texts.organizationSuspended;
  const name = nameInSentence(about.organizationName);
  const details = [
    ...(name === null ? [] : ([[texts.facts.organization, name]] as const)),
    [texts.facts.time, instantText(language, about.at)] as const,
  ];
  return {
    subject: subject(name ?? someOrganization),
    paragraphs: [body(brand), effect],
    details,
    notes: [unasked(brand)],
  };
}

/** Every template, by the name of its kind in the outbox. */
export const TEMPLATES = {
  verify_email: verifyEmail,
  registration,
  reset_password: resetPassword,
  account_exists: accountExists,
  email_change_confirm: emailChangeConfirm,
  email_change_notice: emailChangeNotice,
  password_changed: passwordChanged,
  new_device: newDevice,
  account_closed: accountClosed,
  invitation,
  organization_suspended: organizationSuspended,
} as const;

export type TemplateName = keyof typeof TEMPLATES;
/** What a mail of this kind is about. */
export type About<Name extends TemplateName> = Parameters<(typeof TEMPLATES)[Name]>[0]['about'];
