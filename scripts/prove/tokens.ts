// Owns: what a proof reads in a token without checking it.

function payloadOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
}

/** The identifier of a token, unchecked. */
export function jtiOf(token: string): string {
  return String(payloadOf(token).jti);
}

/** The identifier of the refresh token that this one was exchanged for, unchecked. */
export function parentOf(token: string): string {
  return String(payloadOf(token).prt);
}
