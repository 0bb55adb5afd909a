// The audiences that no service client may have, no matter who chooses them.

/**
 * Whether the audience is the issuer itself or its token endpoint, in any spelling of the address, or has a star. A
 * star looks like a pattern, and some verifiers treat it as one.
 */
export function isReservedAudience(audience: string, issuer: string): boolean {
  if (audience.includes('*')) return true;
  const address = addressOf(audience);
  return address === addressOf(issuer) || address === addressOf(`${issuer}/oauth/token`);
}

/** The address in one spelling: lower-case scheme and host, no default port, no slash, query or fragment at the end. */
function addressOf(text: string): string {
  if (!URL.canParse(text)) return text.toLowerCase();
  const { protocol, host, pathname } = new URL(text);
  return `${protocol}//${host}${pathname}`.replace(/\/+$/, '');
}
