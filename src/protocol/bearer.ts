// Reads the Authorization header of a request that carries a bearer token.

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i; // RFC 6750 §2.1, RFC 9110 §11.1: the scheme ignores case

/** The token of an Authorization header, or null if the header is not exactly one bearer token. */
export function bearerToken(authorization: string): string | null {
  return BEARER.exec(authorization)?.[1] ?? null;
}
