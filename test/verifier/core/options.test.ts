// The options of createVerifier, the URLs that it uses, and the options that it refuses at once.
import t from 'tap';
import { bearerToken } from '../../../src/protocol/bearer.ts';
import { feedSettingsOf, settingsOf } from '../../../src/verifier/core/options.ts';
import { createVerifier, type VerifierOptions } from '../../../src/verifier/index.ts';
import { AUDIENCE, good, ISSUER, verifier } from '../keys/material.ts';

const minimal = { issuer: ISSUER, audience: AUDIENCE };
const credentials = { clientId: 'c', clientSecret: 's' };

t.test('every URL is derived from the issuer or the service URL, unless an option sets the URL', async (t) => {
  const settings = settingsOf(minimal);
  t.equal(settings.jwksUri, `${ISSUER}/.well-known/jwks.json`);
  t.equal(settings.checkEndpoint, `${ISSUER}/api/v1/authz/check`);
  t.match(settings, {
    issuer: ISSUER,
    audiences: [AUDIENCE],
    toleranceSeconds: 5,
    lifeSecondsMax: 900,
    cacheSize: 10_000,
  });
  const revocation = { credentials };
  t.match(feedSettingsOf({ ...minimal, revocation }, revocation), {
    feed: `${ISSUER}/api/v1/revocations`,
    tokenEndpoint: `${ISSUER}/oauth/token`,
    introspectionEndpoint: `${ISSUER}/oauth/introspect`,
  });
  for (const serviceUrl of ['http://tenantry:3000', 'http://tenantry:3000/', new URL('http://tenantry:3000')]) {
    t.equal(settingsOf({ ...minimal, serviceUrl }).jwksUri, 'http://tenantry:3000/.well-known/jwks.json');
    t.equal(settingsOf({ ...minimal, serviceUrl }).issuer, ISSUER);
  }
  t.equal(
    settingsOf({ ...minimal, issuer: 'https://acme.test/auth' }).jwksUri,
    'https://acme.test/auth/.well-known/jwks.json',
  );
  t.equal(settingsOf({ ...minimal, jwksUri: new URL('https://keys.test/k?v=1') }).jwksUri, 'https://keys.test/k?v=1');
});

t.test('an invalid option is refused, and the error names the option', async (t) => {
  const wrong: [string, unknown][] = [
    ...[undefined, null, '', 'auth.acme.test', '/auth', 'ftp://auth.acme.test', 'javascript:1', 7].map(
      (issuer) => ['issuer', { issuer }] as [string, unknown],
    ),
    ...['https://u:p@auth.acme.test', 'https://auth.acme.test/#x', 'https://auth.acme.test/?x'].map(
      (issuer) => ['issuer', { issuer }] as [string, unknown],
    ),
    ...[undefined, null, '', [], [''], [7], 7].map((audience) => ['audience', { audience }] as [string, unknown]),
    ['serviceUrl', { serviceUrl: 'tenantry:3000' }],
    ['jwksUri', { jwksUri: 'keys' }],
    ['checkEndpoint', { checkEndpoint: 'https://u@x.test' }],
    ...[-1, 61, Number.NaN, '5'].map((clockTolerance) => ['clockTolerance', { clockTolerance }] as [string, unknown]),
    ...[-1, Number.POSITIVE_INFINITY, '1'].map((cacheSize) => ['cacheSize', { cacheSize }] as [string, unknown]),
    ...[0, 86_401, Number.NaN].map((maxTokenLife) => ['maxTokenLife', { maxTokenLife }] as [string, unknown]),
    ['credentials', { revocation: {} }],
    ['credentials', { revocation: { credentials: { clientSecret: 's' } } }],
    ['clientSecret', { revocation: { credentials: { clientId: 'c', clientSecret: '' } } }],
    ['maxStaleness', { revocation: { credentials, maxStaleness: 0 } }],
    ['maxStaleness', { revocation: { credentials, maxStaleness: 3601 } }],
    ['onStale', { revocation: { credentials, onStale: 'ignore' } }],
    ...['', 0, null, true, 'on'].map((revocation) => ['revocation', { revocation }] as [string, unknown]),
    ['revocation.feed', { revocation: { credentials, feed: 'x' } }],
  ];
  const nothing = { fetch: () => Promise.reject(new Error('nothing is asked')) };
  for (const [name, change] of wrong) {
    const options = { ...minimal, ...nothing, ...(change as object) } as VerifierOptions;
    t.throws(
      () => createVerifier(options),
      { name: 'TypeError', message: new RegExp(name.replace('.', '\\.')) },
      JSON.stringify(change),
    );
  }
  t.throws(() => createVerifier(undefined as unknown as VerifierOptions), TypeError);
});

t.test('only a header with exactly one bearer token is accepted', async (t) => {
  for (const header of [`Bearer ${good}`, `bearer ${good}`, `BEARER   ${good}`])
    t.match(await verifier.verifyHeader(header), { kind: 'user' });
  await t.rejects(verifier.verifyHeader(undefined), {
    code: 'unauthenticated',
    status: 401,
    wwwAuthenticate: 'Bearer',
  });
  const wrong = [
    '',
    'Bearer',
    'Bearer ',
    good,
    `Basic ${good}`,
    `Bearer${good}`,
    ` Bearer ${good}`,
    `Bearer ${good} `,
    `Bearer\t${good}`,
    `Token ${good}`,
  ];
  wrong.push(
    `Bearer ${good}, Bearer ${good}`,
    `Bearer ${good} ${good}`,
    `Bearer "${good}"`,
    `Bearer ${good}\u0000`,
    `Bearer ä${good}`,
    `DPoP ${good}`,
  );
  for (const header of wrong) {
    const refused = { code: 'invalid_token', status: 401, wwwAuthenticate: 'Bearer error="invalid_token"' };
    await t.rejects(verifier.verifyHeader(header), refused, JSON.stringify(header.slice(0, 30)));
  }
  t.equal(bearerToken('Bearer a.b-c_d~e+f/g=='), 'a.b-c_d~e+f/g==');
});
