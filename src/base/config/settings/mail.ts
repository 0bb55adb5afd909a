// The settings for mails, and the links in them.
import { duration, mailbox, origin, smtpUrl, wholeNumber } from '../fields.ts';

const DAY = 86_400;

export const MAIL = {
  PUBLIC_APP_URL: origin.optional().meta({
    description:
      'The address of the application for people. The links in mails then lead to its pages. Unset: they lead to the pages of the service.',
  }),
  SMTP_URL: smtpUrl.optional().meta({
    secret: true,
    description:
      'The mail server: smtps://user:password@host, or smtp:// with STARTTLS. Production requires STARTTLS, except for this machine or when the URL ends in ?tls=optional. Unset: mail is printed to the log; in production it waits for 24 hours and is dead after that.',
  }),
  MAIL_FROM: mailbox
    .default('Tenantry <no-reply@localhost>')
    .meta({ description: 'The sender of mails. Required in production together with SMTP_URL.' }),
  INVITATION_TTL: duration(300, 30 * DAY)
    .prefault('7d')
    .meta({ description: 'How long an invitation can be accepted.' }),
  INVITATION_MAILS_PER_DAY: wholeNumber(1, 1_000_000).default(200).meta({
    description:
      'How many invitation mails one organization, and one inviter in all organizations, may cause in 24 hours.',
  }),
} as const;
