// The organization that a client names in its headers: judged as the service judges it, and never passed on as it was
// sent.
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import t from 'tap';
import { requestHead, sendRaw } from '../../support/raw.ts';
import { until } from '../../support/until.ts';
import { openClient, openSetup, Refused, refusal, type Setup } from '../open.ts';

type Fields = readonly (readonly [string, string])[];
const OTHER = '0196f0aa-0000-7000-8000-00000000000f';

/**
 * Returns how a plain request and a handshake with these header lines were answered: the status, or the code of the
 * refusal.
 */
async function outcomes(setup: Setup, fields: Fields, token: string): Promise<unknown[]> {
  const lines = [['Host', 'app.test'], ['Authorization', `Bearer ${token}`], ...fields];
  const { hostname, port } = new URL(setup.http);
  const plain = httpRequest({ hostname, port, headers: lines.flat() });
  plain.end();
  const [reply] = (await once(plain, 'response')) as [IncomingMessage];
  const body = await text(reply);
  const answered = reply.statusCode === 200 ? 200 : (JSON.parse(body) as { code: unknown }).code;
  const dialled = openClient(setup.ws, [], {
    finishRequest(request) {
      for (const [name = '', value = ''] of lines.slice(1)) request.appendHeader(name, value);
      request.end();
    },
  });
  const opened = await dialled.catch((error: Error) => error);
  if (opened instanceof Error) return [answered, opened instanceof Refused ? opened.code : opened];
  opened.socket.terminate();
  return [answered, 200];
}

/** The tenant headers that the upstream received, in any spelling. */
function receivedBy({ rawHeaders }: IncomingMessage): string[] {
  const names = rawHeaders.filter((_, index) => index % 2 === 0);
  return names.flatMap((name, index) =>
    /tenant|slug/i.test(name) ? [`${name.toLowerCase()}: ${rawHeaders[2 * index + 1]}`] : [],
  );
}

t.test(
  'a request that names an organization other than that of its token is refused, as the service refuses it',
  async (t) => {
    const setup = await openSetup(t);
    const { issuer, upstream } = setup;
    const own = issuer.organizationId;
    const cases: [Fields, string][] = [
      [[['X-Tenant-ID', OTHER]], 'tenant_mismatch'],
      [[['x-tenant-id', 'other']], 'tenant_mismatch'],
      [[['X-Organization-Slug', 'other']], 'tenant_mismatch'],
      [[['X-TENANT-ID', OTHER.toUpperCase()]], 'tenant_mismatch'],
      [[['X-Tenant-ID', `${own}0`]], 'tenant_mismatch'],
      [
        [
          ['X-Tenant-ID', OTHER],
          ['X-Organization-Slug', 'test'],
        ],
        'bad_request',
      ],
      [
        [
          ['X-Tenant-ID', own],
          ['X-Tenant-ID', OTHER],
        ],
        'bad_request',
      ],
      [
        [
          ['X-Tenant-ID', own],
          ['x-tenant-id', own],
        ],
        'bad_request',
      ],
      [
        [
          ['X-Organization-Slug', 'test'],
          ['X-Organization-Slug', 'other'],
        ],
        'bad_request',
      ],
      [
        [
          ['X-Tenant-ID', 'test'],
          ['X-Organization-Slug', 'other'],
        ],
        'bad_request',
      ],
      [[['X-Tenant-ID', '']], 'bad_request'],
      [[['X-Tenant-ID', `${own}, ${OTHER}`]], 'bad_request'],
      [[['X-Organization-Slug', 'no slug!']], 'bad_request'],
    ];
    for (const [fields, code] of cases) {
      t.strictSame(await outcomes(setup, fields, issuer.token()), [code, code], JSON.stringify(fields));
      t.strictSame(await outcomes(setup, fields, issuer.clientToken()), [code, code], 'a service client');
    }
    const loner = issuer.token({ org: undefined });
    t.strictSame(await outcomes(setup, [['X-Tenant-ID', own]], loner), ['tenant_mismatch', 'tenant_mismatch']);
    t.strictSame(
      await outcomes(setup, [['X-Tenant-ID', OTHER]], issuer.expiredToken()),
      ['token_expired', 'token_expired'],
      'a bad token is reported first',
    );
    t.equal(upstream.requests.length, 0, 'the upstream received nothing');
    t.equal(setup.sidecar.state().sockets, 0);
  },
);

t.test(
  'the upstream gets both tenant headers with the organization of the token, once and whatever was sent',
  async (t) => {
    const setup = await openSetup(t);
    const { issuer, upstream } = setup;
    const own = issuer.organizationId;
    const mine = [`x-tenant-id: ${own}`, 'x-organization-slug: test'];
    const cases: Fields[] = [
      [],
      [['X-Tenant-ID', own.toUpperCase()]],
      [['X-Tenant-ID', 'TEST']],
      [['X-Organization-Slug', ' test ']],
      [
        ['X-Tenant-ID', own],
        ['X-Organization-Slug', 'test'],
      ],
      [['Connection', 'keep-alive, X-Tenant-ID, X-Organization-Slug']],
      [
        ['X_Tenant_ID', OTHER],
        ['X.Tenant.ID', OTHER],
        ['x-tenant_id', OTHER],
        ['X_ORGANIZATION_SLUG', 'other'],
        ['X!Organization!Slug', 'other'],
      ],
    ];
    for (const fields of cases) {
      const before = upstream.requests.length;
      const wanted = fields.filter(([name]) => name !== 'Connection');
      t.strictSame(await outcomes(setup, wanted, issuer.token()), [200, 200], JSON.stringify(fields));
      for (const request of upstream.requests.slice(before)) t.strictSame(receivedBy(request), mine);
    }
    const hops = 'Connection: keep-alive, X-Tenant-ID, X-Organization-Slug, X-User-ID, X-Roles';
    await sendRaw(setup.http, requestHead('GET', '/', `Authorization: Bearer ${issuer.token()}`, hops));
    t.strictSame(receivedBy(upstream.requests.at(-1) as IncomingMessage), mine, 'Connection removes neither');
    await outcomes(setup, [], issuer.token({ org: undefined }));
    t.strictSame(receivedBy(upstream.requests.at(-1) as IncomingMessage), ['x-tenant-id: ', 'x-organization-slug: ']);
  },
);

t.test('trailers of a request reach the upstream neither as trailers nor as headers', async (t) => {
  const seen: unknown[] = [];
  const setup = await openSetup(t, {
    upstreamOptions: {
      answer: async (request, response) => {
        for await (const _ of request);
        seen.push(request.trailers, receivedBy(request));
        response.end();
      },
    },
  });
  const fields = [`Authorization: Bearer ${setup.issuer.token()}`, 'Transfer-Encoding: chunked'];
  const body = `2\r\nok\r\n0\r\nX-Tenant-ID: ${OTHER}\r\nX-User-ID: spoofed\r\n\r\n`;
  const head = requestHead('POST', '/', ...fields, 'TE: trailers', 'Trailer: X-Tenant-ID, X-User-ID');
  t.equal((await sendRaw(setup.http, head, body)).status, 200);
  t.strictSame(seen, [{}, [`x-tenant-id: ${setup.issuer.organizationId}`, 'x-organization-slug: test']]);
});

t.test('with the token in the first message, tenant headers are judged before the upstream is connected', async (t) => {
  const setup = await openSetup(t, { settings: { firstMessage: true } });
  const { issuer, upstream, sidecar } = setup;
  const frame = JSON.stringify({ event: 'authenticate', data: { token: issuer.token() } });
  const first = async (headers: Record<string, string>) => {
    const client = await setup.open('/', null, { headers });
    client.socket.send(frame);
    return client;
  };
  for (const [headers, code] of [
    [{ 'X-Tenant-ID': OTHER }, 'tenant_mismatch'],
    [{ 'X-Organization-Slug': 'other' }, 'tenant_mismatch'],
    [{ 'X-Tenant-ID': issuer.organizationId, 'X-Organization-Slug': 'other' }, 'bad_request'],
  ] as const) {
    const client = await first(headers);
    t.same(JSON.parse(String(await client.message())), { event: 'error', data: { code } });
    t.same(await client.closed, { code: 4401, reason: code });
  }
  const early = await refusal(setup.open('/', null, { headers: { 'X-Tenant-ID': 'no slug!' } }));
  t.match(early, { status: 400, code: 'bad_request' }, 'headers that no token can match get an HTTP answer');
  t.equal(upstream.requests.length, 0);
  await until(() => sidecar.state().sockets === 0);
  const client = await first({ 'X-Tenant-ID': 'test', X_Tenant_ID: OTHER });
  t.same(JSON.parse(String(await client.message())), { event: 'authenticated' });
  client.socket.send('hello');
  t.equal(await client.message(), 'hello');
  t.strictSame(receivedBy(upstream.requests[0] as IncomingMessage), [
    `x-tenant-id: ${issuer.organizationId}`,
    'x-organization-slug: test',
  ]);
});
