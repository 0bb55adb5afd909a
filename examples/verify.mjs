// Verifies an access token with the published key set alone.
//   node examples/verify.mjs <access token> [issuer] [audience]
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [token, issuer = 'http://localhost:3000', audience = 'tenantry'] = process.argv.slice(2);
if (!token) {
  console.error('usage: node examples/verify.mjs <access token> [issuer] [audience]');
  process.exit(2);
}
try {
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: ['RS256'], typ: 'at+jwt' });
  console.log(JSON.stringify(payload, null, 2));
} catch (error) {
  const isUnreachable = !error.code || ['ERR_JWKS_TIMEOUT', 'ERR_JOSE_GENERIC', 'ERR_INVALID_URL'].includes(error.code);
  const found = error.payload?.[error.claim]; // the claim of the token that differs from the expected value
  const reason = isUnreachable
    ? `cannot fetch the key set of ${issuer} (${error.message})`
    : `${error.code}: ${error.message}${found === undefined ? '' : `; the token has ${JSON.stringify(found)}`}`;
  console.error(`refused: ${reason}`);
  process.exit(1);
}
