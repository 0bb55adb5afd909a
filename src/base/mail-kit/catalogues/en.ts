// The texts of mails in English. The other languages have the same keys. A name that a function gets is safe already.
// In the text, a name must not touch a letter, a digit or a sign of an address: a space or the end of the sentence
// follows the name.

export const en = {
  footer: (brand: string) => `${brand} sent this mail automatically. Nobody reads answers to it.`,
  code: 'Or enter this code where you are asked for it:',
  linkTerms: (until: string) => `The link works once, until ${until}. A newer mail ends it.`,
  codeTerms: (until: string) => `The code works once, until ${until}.`,
  facts: {
    time: 'Time',
    device: 'Device',
    network: 'Network',
    organization: 'Organization',
    newAddress: 'New address',
    unknownDevice: 'unknown',
    deviceOn: (browser: string, system: string) => `${browser} on ${system}`,
  },
  verifyEmail: {
    subject: 'Confirm your e-mail address',
    body: (brand: string) => `An account at ${brand} was created with this e-mail address. Confirm that it is yours.`,
    link: 'Confirm the address',
    unasked:
      'If you did not create an account, ignore this mail. Without your confirmation, the address stays unconfirmed.',
  },
  registration: {
    subject: 'Finish your registration',
    body: (brand: string) =>
      `Somebody asked for an account at ${brand} with this e-mail address. It exists once you confirm that the address is yours.`,
    link: 'Confirm the address',
    linkTerms: (until: string) => `The link works once, until ${until}.`,
    unasked:
      'If it was not you, ignore this mail and give the code to nobody: without your confirmation, no account is created.',
  },
  resetPassword: {
    subject: 'Set a new password',
    body: (brand: string) => `Somebody asked for a new password for your account at ${brand}.`,
    link: 'Set a new password',
    unasked: 'If you did not ask for this, ignore this mail: your password stays as it is.',
  },
  accountExists: {
    subject: 'You have an account already',
    registered: (brand: string) => `Somebody tried to create an account at ${brand} with this e-mail address.`,
    invited: (brand: string) => `Somebody invited this e-mail address to ${brand}.`,
    emailChange: (brand: string) => `Somebody asked to use this e-mail address for another account at ${brand}.`,
    body: 'You have an account with this address already, so nothing was changed.',
    signIn: 'Sign in',
    forgotPassword: 'Set a new password',
    unasked: 'If it was not you, there is nothing to do: nobody learned that you have an account.',
  },
  emailChangeConfirm: {
    subject: 'Confirm your new e-mail address',
    body: (brand: string) =>
      `The owner of an account at ${brand} wants to use this e-mail address from now on. If that is you, open the link, and sign in to that account if you are asked to.`,
    link: 'Confirm the new address',
    unasked:
      'If you did not ask for this, ignore this mail and give the code to nobody: the account keeps its address.',
  },
  emailChangeNotice: {
    subject: 'Your e-mail address was changed',
    body: (brand: string) =>
      `The e-mail address of your account at ${brand} was changed. This mail goes to the former one.`,
    expected: 'If you changed it, there is nothing to do.',
    link: 'Take the former address back',
    unasked: (until: string) =>
      `If you did not change it, take the address back. This also ends every session and asks for a new password. The link works once, until ${until}.`,
  },
  passwordChanged: {
    subject: 'Your password was changed',
    body: (brand: string) => `The password of your account at ${brand} was changed.`,
    link: 'Set a new password',
    unasked: 'If you changed it, there is nothing to do. If you did not, set a new password at once.',
  },
  newDevice: {
    subject: 'New sign-in to your account',
    body: (brand: string) =>
      `Somebody signed in to your account at ${brand} with a device or network that was not used before.`,
    link: 'Look at your devices',
    unasked: 'If it was you, there is nothing to do. If it was not, end that session, and then change your password.',
  },
  accountClosed: {
    subject: 'Your account was closed',
    body: (brand: string) =>
      `Your account at ${brand} was closed. Its personal data was removed, and every session has ended.`,
    unasked: (brand: string) => `If you did not want this, tell the people who run ${brand}.`,
  },
  invitation: {
    subject: (organization: string) => `Invitation to ${organization}`,
    someOrganization: 'an organization',
    invites: (inviter: string, organization: string) => `${inviter} invites you to join ${organization}.`,
    invited: (organization: string) => `You are invited to join ${organization}.`,
    link: 'Accept the invitation',
    unasked: 'If you did not expect this, ignore the mail: nothing happens.',
  },
  organizationSuspended: {
    subject: (organization: string) => `${organization} was suspended`,
    someOrganization: 'Your organization',
    body: (brand: string) => `The people who run ${brand} suspended an organization that you own.`,
    effect: 'Nobody can work in it until it is activated again. Nothing was deleted.',
    unasked: (brand: string) => `Ask the people who run ${brand} what to do next.`,
  },
};
