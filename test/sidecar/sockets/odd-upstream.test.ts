// Upstreams that send invalid answers: only the requests to these upstreams fail.
import t from 'tap';
import { openSetup, openUpstream, refusal } from '../open.ts';

/** A sidecar in front of an upstream that answers each connection with these bytes. */
async function behind(t: import('tap').Test, answer: string) {
  const upstream = await openUpstream(t);
  upstream.server.removeAllListeners('request').removeAllListeners('upgrade');
  upstream.server.on('request', (request) => void request.socket.end(answer, 'latin1'));
  upstream.server.on('upgrade', (_request, socket) => void socket.end(answer, 'latin1'));
  const setup = await openSetup(t, { upstream });
  const plain = () => fetch(setup.http, { headers: { authorization: `Bearer ${setup.issuer.token()}` } });
  return { ...setup, plain };
}

const WITHOUT_BODY = 'Content-Length: 0\r\n\r\n';

t.test('the answer is 502 if the upstream sends an invalid status, or a 101 that was not requested', async (t) => {
  for (const line of ['099 Early', '000 None', '101 Switching Protocols']) {
    const { open, plain, sidecar } = await behind(t, `HTTP/1.1 ${line}\r\n${WITHOUT_BODY}`);
    t.equal((await plain()).status, 502, `${line}, plain`);
    t.match(await refusal(open()), { status: 502, code: 'upstream_unavailable' }, `${line}, socket`);
    t.match(sidecar.state(), { sockets: 0 }, 'no slot stays in use');
  }
});

t.test('characters that HTTP forbids are removed from the reason phrase of an upstream', async (t) => {
  const { plain } = await behind(t, `HTTP/1.1 200 a\x01b\x7fc\r\n${WITHOUT_BODY}`);
  const { status, statusText } = await plain();
  t.same({ status, statusText }, { status: 200, statusText: 'abc' });
});

t.test('a path that contains a token is logged without the token', async (t) => {
  const { http, issuer, lines } = await openSetup(t);
  const token = issuer.token();
  await fetch(`${http}/chat%3Faccess_token=${token}`);
  await fetch(`${http}/chat/${token}/rooms`);
  t.same(
    lines.map(({ path }) => path),
    ['/chat%3Faccess_token=[redacted]', '/chat/[redacted]/rooms'],
  );
});
