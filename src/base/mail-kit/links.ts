// The links of mails. Each begins with the address of the configuration, and never with the Host of a request. A token
// is in the fragment. Browsers never send a fragment, so no server logs the token.

export interface MailLinks {
  /** Proves the address of an account. */
  verifyEmail(token: string): string;
  /** Proves the new address of a change. */
  confirmEmail(token: string): string;
  resetPassword(token: string): string;
  /** Restores an address that was changed. */
  revertEmail(token: string): string;
  acceptInvitation(token: string): string;
  signIn(): string;
  forgotPassword(): string;
  devices(): string;
}

/** The settings with the addresses of the service and of the application. */
export interface LinkSettings {
  readonly PUBLIC_URL: string;
  readonly PUBLIC_APP_URL?: string | undefined;
}

/** The page where people accept invitations: that of the application, or without one that of the service. */
export function acceptPageOf({ PUBLIC_URL, PUBLIC_APP_URL }: LinkSettings): string {
  return PUBLIC_APP_URL === undefined ? `${PUBLIC_URL}/accept-invitation` : `${PUBLIC_APP_URL}/invitations/accept`;
}

/** Returns the links to the pages of the application, or without one to those of the service. */
export function openMailLinks(settings: LinkSettings): MailLinks {
  const { PUBLIC_URL, PUBLIC_APP_URL: appUrl = PUBLIC_URL } = settings;
  const withToken = (path: string) => (token: string) => `${appUrl}${path}#token=${encodeURIComponent(token)}`;
  return {
    verifyEmail: withToken('/verify-email'),
    confirmEmail: withToken('/confirm-email'),
    resetPassword: withToken('/reset-password'),
    revertEmail: withToken('/revert-email'),
    acceptInvitation: (token) => `${acceptPageOf(settings)}#token=${encodeURIComponent(token)}`,
    signIn: () => `${appUrl}/sign-in`,
    forgotPassword: () => `${appUrl}/forgot-password`,
    devices: () => `${appUrl}/account/devices`,
  };
}
