// The wire shapes of the OAuth endpoints. The names are those of the RFCs. Unknown parameters are ignored (RFC 6749
// §3.2), so these objects are not strict.
import { z } from 'zod';
import { ASSERTION_ALGORITHMS } from '../clients/public-keys.ts';
import { AUTHENTICATION_METHODS } from './credentials.ts';
import { GRANT_TYPES } from './issue-token.ts';

const described = (description: string) => z.string().min(1).meta({ description });

const ClientAuthentication = {
  client_id: described(
    'The id of the client. Required with client_secret_post, optional with the other methods.',
  ).optional(),
  client_secret: described('client_secret_post: the secret.').optional(),
  client_assertion_type: described(
    'private_key_jwt: `urn:ietf:params:oauth:client-assertion-type:jwt-bearer`.',
  ).optional(),
  client_assertion: described('private_key_jwt: a JWT that the client has signed (RFC 7523).').optional(),
};

export const TokenRequest = z
  .object({
    grant_type: described(`One of ${GRANT_TYPES.join(', ')}.`),
    scope: described(
      'client_credentials: permissions, separated by single spaces. The client must hold each of them.',
    ).optional(),
    refresh_token: described('refresh_token: the refresh token of a user.').optional(),
    resource: described('If sent, the audience of the token (RFC 8707).').optional(),
    audience: described('The same as resource.').optional(),
    ...ClientAuthentication,
  })
  .meta({ id: 'TokenRequest' });

export const TokenAnswer = z
  .strictObject({
    access_token: z.string(),
    token_type: z.literal('Bearer'),
    expires_in: z.int().meta({ description: 'Seconds.' }),
    refresh_token: z.string().optional(),
    scope: z.string().optional(),
  })
  .meta({ id: 'TokenAnswer', description: 'RFC 6749 §5.1.' });

export const AboutToken = z
  .object({
    token: described('An access or refresh token of this service.'),
    token_type_hint: described('Ignored: the service recognizes the kind of a token.').optional(),
    ...ClientAuthentication,
  })
  .meta({ id: 'AboutToken' });

const instant = () => z.int().meta({ description: 'Seconds since 1970.' });

const ActiveToken = z
  .strictObject({
    active: z.literal(true),
    token_type: z.enum(['Bearer', 'refresh_token']).meta({ description: 'Only `Bearer` marks an access token.' }),
    client_id: z.string(),
    sub: z.string(),
    aud: z.string(),
    iss: z.string(),
    exp: instant(),
    iat: instant(),
    jti: z.string(),
    scope: z.string().optional(),
    sid: z.string().optional(),
    org: z.string().optional(),
    org_slug: z.string().optional(),
    roles: z.array(z.string()).optional(),
    permissions: z.array(z.string()).optional(),
    permissions_ref: z.literal(true).optional(),
    epoch: z.int().optional(),
    mep: z.int().optional(),
    rep: z.int().optional(),
  })
  .meta({ id: 'ActiveToken' });
const InactiveToken = z.strictObject({ active: z.literal(false) }).meta({ id: 'InactiveToken' });

export const Introspection = z
  .union([ActiveToken, InactiveToken])
  .meta({ id: 'Introspection', description: 'RFC 7662 §2.2.' });

const methods = z.array(z.enum(AUTHENTICATION_METHODS));
const algorithms = z.array(z.enum(ASSERTION_ALGORITHMS));

/** The metadata of the authorization server (RFC 8414 §2). */
export const Metadata = z
  .strictObject({
    issuer: z.url(),
    jwks_uri: z.url(),
    token_endpoint: z.url(),
    introspection_endpoint: z.url(),
    revocation_endpoint: z.url(),
    response_types_supported: z.array(z.string()),
    grant_types_supported: z.array(z.enum(GRANT_TYPES)),
    token_endpoint_auth_methods_supported: methods,
    token_endpoint_auth_signing_alg_values_supported: algorithms,
    introspection_endpoint_auth_methods_supported: methods,
    introspection_endpoint_auth_signing_alg_values_supported: algorithms,
    revocation_endpoint_auth_methods_supported: methods,
    revocation_endpoint_auth_signing_alg_values_supported: algorithms,
  })
  .meta({ id: 'AuthorizationServerMetadata' });

/** Returns the metadata of the service with this issuer. */
export function metadataOf(issuer: string): z.output<typeof Metadata> {
  const [authMethods, algs] = [[...AUTHENTICATION_METHODS], [...ASSERTION_ALGORITHMS]];
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    token_endpoint: `${issuer}/oauth/token`,
    introspection_endpoint: `${issuer}/oauth/introspect`,
    revocation_endpoint: `${issuer}/oauth/revoke`,
    response_types_supported: [],
    grant_types_supported: [...GRANT_TYPES],
    token_endpoint_auth_methods_supported: authMethods,
    token_endpoint_auth_signing_alg_values_supported: algs,
    introspection_endpoint_auth_methods_supported: authMethods,
    introspection_endpoint_auth_signing_alg_values_supported: algs,
    revocation_endpoint_auth_methods_supported: authMethods,
    revocation_endpoint_auth_signing_alg_values_supported: algs,
  };
}
