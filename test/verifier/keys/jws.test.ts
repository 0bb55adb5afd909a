// verifyJws: only the signature layer, with tables of the classes of attacks on JSON web signatures.
import { generateKeyPairSync } from 'node:crypto';
import t, { type Test } from 'tap';
import { verifyJws } from '../../../src/verifier/index.ts';
import { base64url, compact, type Members, rsa } from '../../support/forge.ts';
import { badBlocks, changedSignatures, otherSchemes, rawGoodSignature, signatureBeyondModulus } from './signatures.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const jwk: Members = { ...publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig', alg: 'RS256' };
const HEADER = '{"alg":"RS256","kid":"one"}';
const good = compact(HEADER, 'payload', rsa(privateKey));
const [goodHeader = '', goodPayload = '', goodSignature = ''] = good.split('.');

function refuses(t: Test, jws: unknown, name: string, key: Members = jwk): void {
  t.throws(
    () => verifyJws(jws as string, key),
    { name: 'VerificationError', code: 'invalid_token', status: 401 },
    name,
  );
}

function signedHeader(header: string | object): string {
  return compact(typeof header === 'string' ? header : JSON.stringify(header), 'payload', rsa(privateKey));
}

t.test('a valid signature is accepted, whatever the payload', async (t) => {
  const verified = verifyJws(good, jwk);
  t.same(verified.header, { alg: 'RS256', kid: 'one' });
  t.equal(verified.payload.toString(), 'payload');
  for (const payload of ['', '{}', 'not JSON', '\u0000', '{"a":1,"a":2}', 'ä€🦊', 'x'.repeat(10_000)]) {
    const jws = compact(HEADER, payload, rsa(privateKey));
    t.equal(verifyJws(jws, jwk).payload.toString(), payload, JSON.stringify(payload.slice(0, 20)));
  }
  const input = `${base64url(HEADER)}.${Buffer.from([0xff, 0xfe, 0]).toString('base64url')}`;
  const binary = `${input}.${rsa(privateKey)(input).toString('base64url')}`;
  t.same(verifyJws(binary, jwk).payload, Buffer.from([0xff, 0xfe, 0]), 'bytes that are not text');
  t.ok(verifyJws(compact(HEADER, 'x', rawGoodSignature(privateKey)), jwk), 'a signature that the test helper built');
});

t.test('other JSON spellings of a good header are accepted', async (t) => {
  const headers = {
    'another order': '{"kid":"one","alg":"RS256"}',
    whitespace: ' {\r\n\t"alg" : "RS256" ,\n "kid" : "one" } \n',
    'an escaped name': '{"\\u0061lg":"RS256","kid":"one"}',
    'an escaped value': '{"alg":"\\u0052S256","kid":"on\\u0065"}',
    'members that mean nothing here':
      '{"alg":"RS256","typ":"JOSE","cty":"text","x":{"a":[1,{"a":2}],"b":{"a":3}},"y":""}',
    'no kid': '{"alg":"RS256"}',
    'the same member in different objects': '{"alg":"RS256","x":{"alg":1},"y":[{"alg":2},{"alg":3}]}',
  };
  for (const [name, header] of Object.entries(headers)) t.ok(verifyJws(signedHeader(header), jwk), name);
});

t.test('a header with any algorithm other than RS256 is refused', async (t) => {
  const algorithms = [
    ...[
      'none',
      'NONE',
      'nOnE',
      '',
      'rs256',
      'Rs256',
      'RS256 ',
      ' RS256',
      'RS256\u0000',
      'RS384',
      'RS512',
      'PS256',
      'PS384',
    ],
    ...['HS256', 'ES256', 'EdDSA', 'RSA', 'RSA1_5', 'RSA-SHA256', 'sha256WithRSAEncryption', null, 0, true, {}],
    ...[['RS256'], { alg: 'RS256' }, undefined, '\uff32S256'],
  ];
  for (const alg of algorithms) refuses(t, signedHeader({ alg, kid: 'one' }), `alg ${JSON.stringify(alg)}`);
  refuses(t, `${base64url('{"alg":"none"}')}.${goodPayload}.`, 'none without a signature');
  refuses(t, `${base64url('{"alg":"none","kid":"one"}')}.${goodPayload}.${goodSignature}`, 'none with a foreign one');
  refuses(t, signedHeader({ Alg: 'RS256', kid: 'one' }), 'a name in capital letters');
  for (const [name, signature] of Object.entries(otherSchemes(privateKey))) {
    refuses(t, compact('{"alg":"HS256","kid":"one"}', 'payload', signature), `HS256: ${name}`);
  }
});

t.test('a header that contains a key, or requires other processing, is refused', async (t) => {
  const own = { ...stranger.publicKey.export({ format: 'jwk' }), alg: 'RS256' };
  const members: Members[] = [
    { jwk: own },
    { jwk },
    { jwk: null },
    { jku: 'https://attacker.example/jwks.json' },
    { x5u: 'https://attacker.example/chain.pem' },
    { x5c: ['MIIB'] },
    { crit: ['exp'], exp: 1 },
    { crit: ['b64'], b64: false },
    { crit: [] },
    { crit: 'alg' },
    { crit: null },
    { b64: false },
    { b64: true },
  ];
  for (const more of members) {
    refuses(t, signedHeader({ alg: 'RS256', kid: 'one', ...more }), JSON.stringify(more).slice(0, 50));
    const byStranger = compact(JSON.stringify({ alg: 'RS256', ...more }), 'payload', rsa(stranger.privateKey));
    refuses(t, byStranger, `${Object.keys(more)[0]}, signed by another key`);
  }
});

t.test('a header that is not a JSON object, or repeats a member, is refused', async (t) => {
  const headers: Record<string, string> = {
    'alg twice': '{"alg":"RS256","alg":"RS256"}',
    'alg twice, once none': '{"alg":"none","alg":"RS256","kid":"one"}',
    'alg twice, once escaped': '{"alg":"none","\\u0061lg":"RS256"}',
    'kid twice': '{"alg":"RS256","kid":"two","kid":"one"}',
    'a member twice, far within': '{"alg":"RS256","x":[{"y":{"z":1,"z":2}}]}',
    'a member twice around an object': '{"alg":"RS256","x":{"a":1},"x":[]}',
    '__proto__ twice': '{"alg":"RS256","__proto__":1,"__proto__":2}',
    'alg in a prototype': '{"__proto__":{"alg":"RS256"}}',
    'a byte order mark': '\ufeff{"alg":"RS256"}',
    'a list': '["alg","RS256"]',
    'a list of a header': '[{"alg":"RS256"}]',
    'a text': '"RS256"',
    null: 'null',
    'a number': '1',
    'an empty object': '{}',
    'a comma too many': '{"alg":"RS256",}',
    'a comment': '{"alg":"RS256"/**/}',
    'single quotes': "{'alg':'RS256'}",
    'names without quotes': '{alg:"RS256"}',
    'something behind it': '{"alg":"RS256"}x',
    'another behind it': '{"alg":"RS256"}{"alg":"RS256"}',
    'a zero behind it': '{"alg":"RS256"}\u0000',
    'half of it': '{"alg":"RS256"',
    'a raw line break within a text': '{"alg":"RS256","x":"\n"}',
    'a space that JSON does not know': '\u00a0{"alg":"RS256"}',
  };
  for (const [name, header] of Object.entries(headers)) refuses(t, signedHeader(header), name);
  const bytes = Buffer.concat([Buffer.from('{"alg":"RS256","x":"'), Buffer.from([0xff]), Buffer.from('"}')]);
  for (const [name, header] of Object.entries({
    'bytes that are no UTF-8': bytes,
    'an overlong form': Buffer.concat([
      Buffer.from('{"alg":"RS256","x":"'),
      Buffer.from([0xc0, 0xaf]),
      Buffer.from('"}'),
    ]),
    'UTF-16': Buffer.from(HEADER, 'utf16le'),
  })) {
    const input = `${header.toString('base64url')}.${goodPayload}`;
    refuses(t, `${input}.${rsa(privateKey)(input).toString('base64url')}`, name);
  }
});

t.test('a part that is not canonical base64url is refused', async (t) => {
  const parts = [goodHeader, goodPayload, goodSignature];
  const changes: Record<string, (part: string) => string> = {
    'one =': (part) => `${part}=`,
    'two =': (part) => `${part}==`,
    'a space before': (part) => ` ${part}`,
    'a space behind': (part) => `${part} `,
    'a line break within': (part) => `${part.slice(0, 4)}\n${part.slice(4)}`,
    'a line break behind': (part) => `${part}\n`,
    'a tab within': (part) => `${part.slice(0, 4)}\t${part.slice(4)}`,
    'a zero behind': (part) => `${part}\u0000`,
    'a character of no alphabet': (part) => `${part.slice(0, 4)}*${part.slice(4)}`,
    'a + in place of -': (part) => `${part.slice(0, -4)}+AAA`,
    'a / in place of _': (part) => `${part.slice(0, -4)}/AAA`,
    'a letter that looks like one': (part) => `\u0435${part.slice(1)}`,
    'a single character more': (part) =>
      part.length % 4 === 0 ? `${part}A` : `${part}${'A'.repeat(5 - (part.length % 4))}`,
    'a % escape': (part) => `${part.slice(0, 4)}%41${part.slice(4)}`,
  };
  for (const [index, place] of ['header', 'payload', 'signature'].entries()) {
    for (const [name, change] of Object.entries(changes)) {
      const jws = parts.map((part, at) => (at === index ? change(part) : part)).join('.');
      refuses(t, jws, `${place}: ${name}`);
    }
  }
});

t.test('bits that base64url leaves unused must be zero', async (t) => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const another = (part: string) => {
    const last = alphabet.indexOf(part.at(-1) ?? '');
    return part.slice(0, -1) + alphabet[last ^ 1];
  };
  t.same(Buffer.from(another(goodSignature), 'base64url'), Buffer.from(goodSignature, 'base64url'), 'the same bytes');
  refuses(t, `${goodHeader}.${goodPayload}.${another(goodSignature)}`, 'signature');
  for (const [header, payload] of [
    [another(base64url('{"alg":"RS256" }')), base64url('x')],
    [base64url(HEADER), another(base64url('x'))],
  ] as const) {
    const input = `${header}.${payload}`;
    refuses(t, `${input}.${rsa(privateKey)(input).toString('base64url')}`, 'the signature is over the text as written');
  }
});

t.test('a text that does not have exactly three parts of limited length is refused', async (t) => {
  const json = { protected: goodHeader, payload: goodPayload, signature: goodSignature };
  const values: unknown[] = [
    ...['', '.', '..', '...', goodHeader, `${goodHeader}.${goodPayload}`, `${goodHeader}.${goodPayload}.`],
    ...[
      `.${goodPayload}.${goodSignature}`,
      `${good}.`,
      `.${good}`,
      `${good}.${goodSignature}`,
      `${goodHeader}..${goodSignature}`,
    ],
    ...[
      ` ${good}`,
      `${good} `,
      `${good}\n`,
      `\ufeff${good}`,
      `Bearer ${good}`,
      `"${good}"`,
      good.replaceAll('.', '\uff0e'),
    ],
    ...[
      good.replaceAll('.', '%2e'),
      good.replaceAll('.', ','),
      `${good},${good}`,
      encodeURIComponent(good).replaceAll('.', '%2E'),
    ],
    ...[
      JSON.stringify(json),
      JSON.stringify({ payload: goodPayload, signatures: [json] }),
      `${goodHeader}....${goodSignature}`,
    ],
    ...[
      compact(HEADER, 'x'.repeat(30_000), rsa(privateKey)),
      null,
      undefined,
      1,
      {},
      [good],
      Buffer.from(good),
      new String(good),
    ],
  ];
  for (const value of values) refuses(t, value, String(value).slice(0, 60));
});

t.test('a signature other than RSASSA-PKCS1-v1_5 with SHA-256 is refused', async (t) => {
  const input = `${goodHeader}.${goodPayload}`;
  for (const [name, signature] of Object.entries({ ...badBlocks(privateKey), ...otherSchemes(privateKey) })) {
    refuses(t, `${input}.${signature(input).toString('base64url')}`, name);
  }
  const bytes = Buffer.from(goodSignature, 'base64url');
  for (const [name, changed] of Object.entries(changedSignatures(privateKey, bytes))) {
    refuses(t, `${input}.${changed.toString('base64url')}`, name);
  }
  const beyond = signatureBeyondModulus(privateKey, (attempt) => `${goodHeader}.${base64url(`try ${attempt}`)}`);
  refuses(t, `${beyond.text}.${beyond.signature.toString('base64url')}`, 'the signature plus the modulus');
  refuses(t, compact(HEADER, 'payload', rsa(stranger.privateKey)), 'a signature of another key');
  refuses(t, `${goodHeader}.${base64url('payloae')}.${goodSignature}`, 'a signature of another payload');
  refuses(t, `${base64url('{"alg":"RS256"}')}.${goodPayload}.${goodSignature}`, 'a signature of another header');
});

t.test('if the header has a kid, only the key with this kid is used', async (t) => {
  const other: Members = { ...stranger.publicKey.export({ format: 'jwk' }), kid: 'two', alg: 'RS256' };
  const { kid, ...nameless } = jwk;
  t.equal(kid, 'one');
  t.ok(verifyJws(good, { keys: [other, jwk] }), 'the key is found in a set');
  t.ok(
    verifyJws(signedHeader('{"alg":"RS256"}'), { keys: [jwk] }),
    'the only key of a set, without a kid in the header',
  );
  t.ok(verifyJws(good, nameless), 'a single key without a kid');
  refuses(t, good, 'another name', { ...jwk, kid: 'two' });
  refuses(t, good, 'the kid is not in the set', { keys: [other, { ...other, kid: 'three' }] });
  refuses(t, good, 'an empty set', { keys: [] });
  refuses(t, good, 'the kid is twice in the set', { keys: [jwk, jwk] });
  refuses(t, good, 'the kid is twice in the set, once with another key', { keys: [{ ...other, kid: 'one' }, jwk] });
  refuses(t, signedHeader('{"alg":"RS256"}'), 'no kid in the header and several keys', { keys: [jwk, other] });
  refuses(t, good, 'keys without a kid in a set of several', { keys: [nameless, other] });
  for (const name of [
    '',
    'two',
    'One',
    'one ',
    1,
    ['one'],
    { kid: 'one' },
    null,
    true,
    'x'.repeat(129),
    '__proto__',
    '../one',
  ]) {
    refuses(t, signedHeader({ alg: 'RS256', kid: name }), `kid ${JSON.stringify(name).slice(0, 30)}`);
  }
});
