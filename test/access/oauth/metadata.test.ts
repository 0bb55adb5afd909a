// The metadata document (RFC 8414), from which a client reads where the OAuth endpoints are and how to use them.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { seedClient } from '../../support/fixtures/clients.ts';
import { openService } from '../../support/service.ts';
import { post } from './calls.ts';

const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'];
const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];

t.test('the metadata lists the endpoints below the issuer, and what each endpoint accepts', async (t) => {
  const database = await createDatabase(t);
  const issuer = 'https://auth.example.com';
  const { api } = await openService(t, database, { PUBLIC_URL: issuer });
  const reply = await api.get('/.well-known/oauth-authorization-server', { headers: { host: 'evil.example' } });
  t.match(reply.headers.get('content-type'), /^application\/json/);
  t.match(reply.headers.get('cache-control'), /^public, max-age=300/);
  t.strictSame(reply.body, {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    token_endpoint: `${issuer}/oauth/token`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    response_types_supported: [],
    grant_types_supported: ['client_credentials', 'refresh_token'],
    token_endpoint_auth_methods_supported: METHODS,
    token_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    introspection_endpoint_auth_methods_supported: METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
    revocation_endpoint_auth_methods_supported: METHODS,
    revocation_endpoint_auth_signing_alg_values_supported: ALGORITHMS,
  });
  const client = await seedClient(database, { organizationId: null });
  for (const name of ['token_endpoint', 'introspection_endpoint', 'revocation_endpoint']) {
    const path = new URL(reply.body[name]).pathname;
    const parameters = { grant_type: 'client_credentials', token: 'x' };
    t.equal((await post(api, path, parameters, client)).status, 200, path);
  }
});
