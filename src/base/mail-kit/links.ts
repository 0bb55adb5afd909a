// The links of mails. Each begins with the address of the configuration, and never with the Host of a request. A token
// is in the fragment. Browsers never send a fragment, so no server logs the token.

export interface MailLinks {
  /** Proves an address: that of a new account, or the new one of a change. */
  verifyEmail(token: string): string;
  resetPassword(token: string): string;
  /** Takes an address back that was changed. */
  revertEmail(token: string): string;
  acceptInvitation(token: string): string;
  signIn(): string;
  forgotPassword(): string;
  devices(): string;
}

/** Returns the links. `appUrl` is the setting PUBLIC_APP_URL. */
export function openMailLinks(appUrl: string): MailLinks {
  const withToken = (path: string) => (token: string) => `${appUrl}${path}#token=${encodeURIComponent(token)}`;
  return {
    verifyEmail: withToken('/verify-email'),
    resetPassword: withToken('/reset-password'),
    revertEmail: withToken('/revert-email'),
    acceptInvitation: withToken('/invitations/accept'),
    signIn: () => `${appUrl}/sign-in`,
    forgotPassword: () => `${appUrl}/forgot-password`,
    devices: () => `${appUrl}/account/devices`,
  };
}
