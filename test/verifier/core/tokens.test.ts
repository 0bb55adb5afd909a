// createVerifier with tokens that have one error in their form: header, kid, spelling or signature. The right key signs
// all tokens unless the signature is the error. claims.test.ts tests the claims.
import { createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto';
import t from 'tap';
import { VerificationError } from '../../../src/verifier/index.ts';
import { base64url, compact, forge, type Members, rsa } from '../../support/forge.ts';
import {
  good,
  header,
  ISSUER,
  member,
  NOW,
  privateKey,
  publicKey,
  refuses,
  sub,
  token,
  verifier,
  verifierAt,
} from '../keys/material.ts';
import { badBlocks, changedSignatures, otherSchemes, signatureBeyondModulus } from '../keys/signatures.ts';

t.test('a token with a header that the service does not write is refused', async (t) => {
  const members: Members[] = [
    ...['none', 'NONE', 'rs256', 'RS384', 'PS256', 'HS256', 'ES256', '', null, ['RS256'], undefined].map((alg) => ({
      alg,
    })),
    ...[
      'JWT',
      'jwt',
      'rt+jwt',
      'AT+JWT',
      'at+JWT',
      'application/at+jwt',
      'at+jwt ',
      '',
      null,
      ['at+jwt'],
      undefined,
    ].map((typ) => ({ typ })),
    ...[
      { crit: [] },
      { crit: ['exp'] },
      { b64: false },
      { b64: true },
      { jku: 'https://x.test/jwks.json' },
      { x5u: 'https://x.test' },
    ],
    ...[
      { x5c: ['MIIB'] },
      { x5t: 'x' },
      { 'x5t#S256': 'x' },
      { cty: 'JWT' },
      { zip: 'DEF' },
      { enc: 'A128GCM' },
      { epk: {} },
      { iss: ISSUER },
    ],
    { jwk: publicKey.export({ format: 'jwk' }) },
  ];
  for (const changes of members) await refuses(t, token(member, changes), JSON.stringify(changes).slice(0, 60));
  const texts: Record<string, string> = {
    whitespace: '{"alg": "RS256", "typ": "at+jwt", "kid": "now"}',
    'a line break behind': `${JSON.stringify(header)}\n`,
    'a member twice': '{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"now"}',
    'a member twice, escaped': '{"alg":"RS256","typ":"at+jwt","kid":"now","k\\u0069d":"now"}',
    'a byte order mark': `\ufeff${JSON.stringify(header)}`,
    __proto__: '{"__proto__":{"alg":"RS256"},"typ":"at+jwt","kid":"now"}',
    'a list': JSON.stringify([header]),
    'no JSON': 'alg=RS256',
  };
  for (const [name, text] of Object.entries(texts)) {
    await refuses(t, compact(text, JSON.stringify(member), rsa(privateKey)), name);
  }
});

t.test('a token whose kid is not the text of a known kid is refused, and causes no request', async (t) => {
  const asked: string[] = [];
  const curious = verifierAt(NOW, {
    keys: {
      find(kid) {
        asked.push(kid);
        return undefined;
      },
    },
  });
  const kids = [undefined, null, '', 0, 1, true, ['now'], { now: 'now' }, 'x'.repeat(129)];
  for (const kid of kids)
    await refuses(t, token(member, { kid }), `kid ${JSON.stringify(kid)?.slice(0, 30)}`, 'invalid_token', curious);
  t.same(asked, [], 'no key was requested for these tokens');
  const names = [
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    'NOW',
    'now ',
    'now\u0000',
    '../now',
    '/etc/passwd',
  ];
  names.push("now' OR '1'='1", 'https://x.test/jwks.json', '$(id)', 'x'.repeat(128), '\ud800');
  for (const kid of names) await refuses(t, token(member, { kid }), `kid ${JSON.stringify(kid).slice(0, 30)}`);
  t.ok(await verifier.verify(good));
});

t.test('a token with a payload that the service does not write is refused', async (t) => {
  const text = JSON.stringify(member);
  const payloads: Record<string, string> = {
    'a claim twice': text.replace('{', `{"sub":"${randomUUID()}",`),
    'exp twice': text.replace('}', ',"exp":9999999999}'),
    'a claim twice, escaped': text.replace('{', `{"s\\u0075b":"${sub}",`),
    whitespace: text.replaceAll(',', ', '),
    'whitespace before': ` ${text}`,
    'a line break behind': `${text}\n`,
    'a byte order mark': `\ufeff${text}`,
    'a number of another spelling': text.replace(String(NOW + 840), `${(NOW + 840) / 1e8}e8`),
    'a number with a fraction of zero': text.replace(String(NOW + 840), `${NOW + 840}.0`),
    'a list': `[${text}]`,
    'a text': JSON.stringify(text),
    null: 'null',
    empty: '',
    'half of it': text.slice(0, -1),
    'something behind it': `${text}x`,
    'not JSON': `sub=${sub}`,
  };
  for (const [name, payload] of Object.entries(payloads)) {
    await refuses(t, compact(JSON.stringify(header), payload, rsa(privateKey)), name);
  }
  const bytes = Buffer.concat([
    Buffer.from(text.slice(0, -1)),
    Buffer.from(',"x":"'),
    Buffer.from([0xff]),
    Buffer.from('"}'),
  ]);
  const input = `${base64url(JSON.stringify(header))}.${bytes.toString('base64url')}`;
  await refuses(t, `${input}.${rsa(privateKey)(input).toString('base64url')}`, 'bytes that are not UTF-8');
});

t.test('a wrong signature is refused, with the text of a remembered token or of a new token', async (t) => {
  const cut = good.lastIndexOf('.');
  const [input, bytes] = [good.slice(0, cut), Buffer.from(good.slice(cut + 1), 'base64url')];
  await verifier.verify(good);
  for (const [name, changed] of Object.entries(changedSignatures(privateKey, bytes))) {
    await refuses(t, `${input}.${changed.toString('base64url')}`, name);
  }
  for (const [name, signature] of Object.entries({ ...badBlocks(privateKey), ...otherSchemes(privateKey) })) {
    await refuses(t, `${input}.${signature(input).toString('base64url')}`, name);
  }
  const other = token({ ...member, jti: randomUUID() });
  await refuses(t, `${other.slice(0, other.lastIndexOf('.'))}${good.slice(cut)}`, 'the signature of another token');
  await refuses(t, `${good.slice(0, -30)}${'A'.repeat(30)}`, 'another end');
  await refuses(t, `${input}.`, 'none');
  await refuses(t, input, 'left out');
  const beyond = signatureBeyondModulus(privateKey, () => {
    return `${base64url(JSON.stringify(header))}.${base64url(JSON.stringify({ ...member, jti: randomUUID() }))}`;
  });
  await refuses(t, `${beyond.text}.${beyond.signature.toString('base64url')}`, 'the signature plus the modulus');
  t.ok(await verifier.verify(good), 'the valid token still works');
});

t.test('a token with another spelling of the same bytes is refused', async (t) => {
  const [first = '', second = '', third = ''] = good.split('.');
  const texts = [
    ...[
      '',
      ' ',
      '.',
      '..',
      `${good}=`,
      `${good} `,
      ` ${good}`,
      `${good}\n`,
      `${good}.`,
      `.${good}`,
      `${good}.${third}`,
    ],
    ...[`${first}=.${second}.${third}`, `${first}.${second}=.${third}`, `${first}.${second}`, `${first}..${third}`],
    ...[
      `Bearer ${good}`,
      `"${good}"`,
      good.toUpperCase(),
      good.replaceAll('.', '\uff0e'),
      `${good},${good}`,
      `\ufeff${good}`,
    ],
    ...[
      JSON.stringify({ protected: first, payload: second, signature: third }),
      good.repeat(20),
      'x'.repeat(1_000_000),
    ],
  ];
  for (const text of texts) await refuses(t, text, JSON.stringify(text).slice(0, 40));
  for (const nothing of [undefined, null, 7, {}, [good], Buffer.from(good)]) {
    await refuses(t, nothing, `${typeof nothing}`, 'unauthenticated');
  }
});

t.test('if a key source returns another kind of key, no token is verified', async (t) => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  for (const key of [ec, weak.publicKey, privateKey, createPublicKey(privateKey)]) {
    const by = verifierAt(NOW, { keys: { find: () => key } });
    const signed = key === weak.publicKey ? forge({ header, claims: member }, rsa(weak.privateKey)) : good;
    const isGood = key.type === 'public' && key.asymmetricKeyDetails?.modulusLength === 2048;
    if (isGood) t.ok(await by.verify(signed));
    else await refuses(t, signed, `${key.type} ${key.asymmetricKeyType}`, 'invalid_token', by);
  }
});

t.test('no log message and no error contains a token', async (t) => {
  const error = await verifier
    .verify(token({ ...member, exp: NOW - 10, iat: NOW - 20 }))
    .catch((thrown: unknown) => thrown);
  t.ok(error instanceof VerificationError);
  const shown = JSON.stringify(error, Object.getOwnPropertyNames(error)) + String(error);
  t.notMatch(shown, /eyJ/);
});
