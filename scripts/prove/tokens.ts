// Reads a token without checking it, for proofs.

function payloadOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'));
}

/** Returns the identifier of a token, unchecked. */
export function jtiOf(token: string): string {
  return String(payloadOf(token).jti);
}

/** Returns, unchecked, the identifier of the refresh token that was exchanged for this token. */
export function parentOf(token: string): string {
  return String(payloadOf(token).prt);
}
