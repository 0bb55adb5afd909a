// Verifies an access token with nothing but the published key set.
//   node examples/verify.mjs <access token> [issuer] [audience]
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [token, issuer = 'http://localhost:3000', audience = 'tenantry'] = process.argv.slice(2);
if (!token) {
  console.error('usage: node examples/verify.mjs <access token> [issuer] [audience]');
  process.exit(2);
}
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
try {
  const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: ['RS256'], typ: 'at+jwt' });
  console.log(JSON.stringify(payload, null, 2));
} catch (error) {
  console.error(`refused: ${error.code ?? error.message}`);
  process.exit(1);
}
