// After a pause of the sidecar's process, bodies wait in both directions until it is known which sessions were ended
// during the pause.
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import t, { type Test } from 'tap';
import type { SidecarOptions } from '../../../src/sidecar/core/sidecar.ts';
import { until } from '../../support/until.ts';
import { openSetup, openUpstream } from '../open.ts';
import { createPausingSource } from '../pausing.ts';

const ENDED = '0196f0aa-0000-7000-8000-000000000001';
const KEPT = '0196f0aa-0000-7000-8000-000000000002';
const LONG_ENOUGH_TO_PASS_MS = 100;
/** More than anybody sends, so that a body with this length goes on for ever. */
const ENDLESS = { 'content-length': '1000000000000' };

/** Collects the text of a stream. */
function collect(from: IncomingMessage) {
  const said = { text: '', isBroken: false };
  from.on('data', (chunk) => {
    said.text += chunk;
  });
  from.on('error', () => {
    said.isBroken = true;
  });
  return said;
}

async function begin(t: Test, settings: Partial<SidecarOptions> = {}) {
  const upstream = await openUpstream(t, { answer: () => {} });
  const feed = createPausingSource();
  const { http, issuer } = await openSetup(t, { upstream, settings, verifier: { revocations: feed.source } });
  /**
   * Opens an exchange whose request and response bodies are both still being sent. `length` has further headers of
   * both.
   */
  async function exchange(sid: string, length = {}) {
    const arrived = once(upstream.server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
    const authorization = `Bearer ${issuer.token({ sid })}`;
    const sent = request(http, { method: 'POST', headers: { authorization, ...length } });
    sent.on('error', () => {});
    sent.write('a');
    const [asked, answer] = await arrived;
    answer.on('error', () => {});
    answer.writeHead(200, length);
    answer.write('a');
    const [reply] = (await once(sent, 'response')) as [IncomingMessage];
    const both = { sent, answer, up: collect(asked), down: collect(reply) };
    await until(() => both.up.text === 'a' && both.down.text === 'a');
    return both;
  }
  return { feed, exchange, upstream, http, issuer };
}

const pass = () => new Promise((resolve) => setTimeout(resolve, LONG_ENOUGH_TO_PASS_MS));

t.test('bodies wait; then those of an ended session are cut off, and the others go on', async (t) => {
  const { feed, exchange } = await begin(t);
  const [ended, kept] = [await exchange(ENDED), await exchange(KEPT)];
  feed.resume();
  for (const { sent, answer } of [ended, kept]) {
    sent.write('b');
    answer.write('b');
  }
  await pass();
  for (const { up, down } of [ended, kept]) t.same([up.text, down.text], ['a', 'a']);
  feed.catchUp({ kind: 'session', sid: ENDED });
  kept.sent.end('c');
  kept.answer.end('c');
  await until(() => kept.up.text === 'abc' && kept.down.text === 'abc');
  await until(() => ended.up.isBroken && ended.down.isBroken);
  t.same([ended.up.text, ended.down.text], ['a', 'a']);
});

t.test('bodies with a length wait, too, and those of an ended session are cut off', async (t) => {
  const { feed, exchange } = await begin(t);
  const { sent, answer, up, down } = await exchange(ENDED, ENDLESS);
  feed.resume();
  sent.write('b');
  answer.write('b');
  await pass();
  t.same([up.text, down.text], ['a', 'a']);
  feed.catchUp({ kind: 'session', sid: ENDED });
  await until(() => up.isBroken && down.isBroken);
  t.same([up.text, down.text], ['a', 'a']);
});

t.test('bodies with a length pass whole once it is known that their session goes on', async (t) => {
  const { feed, exchange } = await begin(t);
  const { sent, answer, up, down } = await exchange(KEPT, { 'content-length': '3' });
  feed.resume();
  sent.end('bc');
  answer.end('bc');
  await pass();
  t.same([up.text, down.text], ['a', 'a']);
  feed.catchUp();
  await until(() => up.text === 'abc' && down.text === 'abc');
});

t.test('if the revocations cannot be read, bodies that wait are cut off', async (t) => {
  const { feed, exchange } = await begin(t, { holdSeconds: 0.2 });
  const [sends, gets] = [await exchange(KEPT), await exchange(KEPT)];
  feed.resume();
  sends.sent.write('b');
  gets.answer.write('b');
  for (const { up, down } of [sends, gets]) await until(() => up.isBroken && down.isBroken);
  t.same([sends.up.text, gets.down.text], ['a', 'a']);
});

t.test('a body that waits too long before the answer has begun gets 503', async (t) => {
  const { feed, upstream, http, issuer } = await begin(t, { holdSeconds: 0.2 });
  const arrived = once(upstream.server, 'request') as Promise<[IncomingMessage, ServerResponse]>;
  const sent = request(http, { method: 'POST', headers: { authorization: `Bearer ${issuer.token()}` } });
  sent.on('error', () => {});
  sent.write('a');
  const up = collect((await arrived)[0]);
  await until(() => up.text === 'a');
  feed.resume();
  sent.write('b');
  const [reply] = (await once(sent, 'response')) as [IncomingMessage];
  const down = collect(reply);
  await Promise.all([once(reply, 'end'), until(() => up.isBroken)]);
  t.match(reply.headers, { 'retry-after': /^[1-9]/ });
  t.match([reply.statusCode, JSON.parse(down.text)], [503, { code: 'revocations_stale' }]);
  t.equal(up.text, 'a', 'the upstream got no more of the body');
});
