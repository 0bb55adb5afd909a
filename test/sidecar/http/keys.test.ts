// While the keys of the issuer cannot be fetched, the sidecar answers 503, because a token may be good: to plain
// requests, to handshakes and to first messages. It goes on once the keys are there.
import t from 'tap';
import { createJwks } from '../../../src/verifier/keys/jwks.ts';
import { openIssuer } from '../../support/issuer.ts';
import { until } from '../../support/until.ts';
import { createManualTiming } from '../../verifier/manual-timing.ts';
import { openSetup, refusal } from '../open.ts';

t.test(
  'without keys, requests and sockets get keys_unavailable and when to try again, until the keys come',
  async (t) => {
    const issuer = openIssuer();
    const timing = createManualTiming();
    const errors: Error[] = [];
    let isDown = true;
    const keys = createJwks({
      jwksUri: `${issuer.issuer}/.well-known/jwks.json`,
      timing,
      onError: (error) => errors.push(error),
      async fetch() {
        if (isDown) throw new TypeError('fetch failed');
        return Response.json(issuer.jwks());
      },
    });
    const setup = await openSetup(t, { issuer, verifier: { keys }, settings: { firstMessage: true } });
    await until(() => errors.length === 1);
    const authorization = `Bearer ${issuer.token()}`;

    const reply = await fetch(`${setup.http}/deals`, { headers: { authorization } });
    t.equal(reply.status, 503);
    t.match(reply.headers.get('retry-after'), /^[1-9]/);
    t.equal(reply.headers.get('www-authenticate'), null, 'the client keeps its token');
    t.match(await reply.json(), { status: 503, code: 'keys_unavailable', type: '/problems/keys-unavailable' });

    const refused = await refusal(setup.open());
    t.match(refused, { status: 503, code: 'keys_unavailable' });
    t.match(refused.headers['retry-after'], /^[1-9]/);

    const waiting = await setup.open('/', null);
    waiting.socket.send(JSON.stringify({ event: 'authenticate', data: { token: issuer.token() } }));
    t.same(JSON.parse(String(await waiting.message())), { event: 'error', data: { code: 'keys_unavailable' } });
    t.same(await waiting.closed, { code: 1013, reason: 'keys_unavailable' });
    t.equal(setup.upstream.requests.length, 0);

    isDown = false;
    await timing.advance(2);
    await keys.ready();
    t.equal((await fetch(`${setup.http}/deals`, { headers: { authorization } })).status, 200);
    t.equal(setup.upstream.requests.length, 1);
  },
);
