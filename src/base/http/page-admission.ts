// What happens before the body of a request for a page is read: the rate limit, the check that a form was sent from a
// page of this service, and the session of the browser.
import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../../protocol/caller.ts';
import { problem } from '../errors/problem.ts';
import type { Kit } from '../page-kit/kit.ts';
import { workFor } from '../platform/requester.ts';
import type { Endpoint } from './endpoint.ts';
import type { Guard } from './mount.ts';
import { drawSignIn, networkOf } from './rate-limit.ts';
import { workOf } from './request-info.ts';

export interface PageGuard {
  readonly kit: Kit;
  /** The caller of the live session with this key, which the browser keeps in its cookie. Null for any other text. */
  readonly authenticateBrowser: (key: string) => Promise<Caller | null>;
  readonly seenKeys: SeenKeys;
}

/**
 * The page to which people who are not signed in are sent. With the query ENDED it says that their session has ended.
 */
const SIGN_IN = '/sign-in';
const ENDED = '?notice=ended';
/** A page is for people who come to this service. No other origin may read it. */
const CORS = ['access-control-allow-origin', 'access-control-allow-credentials', 'access-control-expose-headers'];

/**
 * Admits a visitor or a signed-in browser to a page. If the page is only for signed-in browsers, sends any other
 * browser to the sign-in page. Raises too_many_requests and cross_site_request.
 */
export async function admitVisit(
  declared: Endpoint,
  guard: Guard,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const { pages } = guard;
  if (!pages) throw new Error(`${declared.url} is a page, and the server has no guard for pages`);
  for (const name of CORS) reply.removeHeader(name);
  const network = `ip ${networkOf(request.ip)}`;
  if (declared.method === 'POST' && !isOwnForm(pages.kit.origin, request)) {
    // A page of another site that somebody has open must not use up the attempts of that person to sign in.
    await guard.draw(request, reply, 'other', `foreign ${network}`);
    throw problem('cross_site_request');
  }
  const isLimited = declared.limit === 'sign_in';
  const isForVisitors = declared.access.kind === 'visitor';
  if (isLimited && isForVisitors) await drawSignIn(guard.draw, declared, request, reply);
  const { cookies } = pages.kit;
  const key = request.server.parseCookie(request.headers.cookie ?? '')[cookies.name('session')] ?? '';
  const work = workOf(request);
  const caller =
    key === '' ? null : await workFor(work, () => findCaller(declared, guard, pages, { request, reply, key }));
  if (!(isLimited && isForVisitors)) {
    await guard.draw(request, reply, 'other', caller ? `user ${caller.id}` : `page ${network}`);
  }
  if (caller) {
    request.setDecorator('caller', caller);
    work.isFor(caller);
    if (isLimited && !isForVisitors) await drawSignIn(guard.draw, declared, request, reply, caller);
    return undefined;
  }
  if (isForVisitors) return undefined;
  // The cookie stays: a sign-in in another tab may just have replaced it.
  return reply
    .code(303)
    .header('location', `${SIGN_IN}${key === '' ? '' : ENDED}`)
    .send();
}

/**
 * Finds the caller with this key. Only PostgreSQL knows whether a key is valid, so a network that has sent too many
 * unknown keys may send only those that this process has seen to be valid. Any other key is then ignored on pages for
 * visitors, where people sign in, and raises too_many_requests elsewhere.
 */
async function findCaller(
  { access }: Endpoint,
  { draw }: Guard,
  { authenticateBrowser, seenKeys }: PageGuard,
  { request, reply, key }: { readonly request: FastifyRequest; readonly reply: FastifyReply; readonly key: string },
): Promise<Caller | null> {
  const unknown = `unknown key ip ${networkOf(request.ip)}`;
  if (!seenKeys.has(key)) {
    try {
      await draw.assertLeft(request, reply, 'other', unknown);
    } catch (refused) {
      if (access.kind === 'visitor') return null;
      throw refused;
    }
  }
  const caller = await authenticateBrowser(key);
  if (caller) {
    seenKeys.add(key);
    return caller;
  }
  seenKeys.delete(key);
  await draw(request, reply, 'other', unknown);
  return null;
}

/**
 * Whether a page of this service sent the form. If the browser sends Sec-Fetch-Site, this header decides, and `Origin`
 * may be `null`, because pages have Referrer-Policy: no-referrer. Any other browser must send the origin.
 */
function isOwnForm(own: string, { headers }: FastifyRequest): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  if (site === undefined) return origin === own;
  return site === 'same-origin' && (!origin || origin === 'null' || origin === own);
}

/**
 * The keys of browsers that this process has seen to be valid. A key may have become invalid since, so this decides
 * only whether a key is worth a query to PostgreSQL.
 */
export interface SeenKeys {
  has(key: string): boolean;
  add(key: string): void;
  delete(key: string): void;
}

/** The maximum number of keys. Each takes about 150 bytes. The key that was added first is forgotten first. */
const SEEN_MAX = 10_000;

export function createSeenKeys(): SeenKeys {
  const seen = new Set<string>(); // hashes, so that no key is in memory longer than its request
  const hashOf = (key: string) => createHash('sha256').update(key).digest('base64');
  return {
    has: (key) => seen.has(hashOf(key)),
    add(key) {
      seen.add(hashOf(key));
      if (seen.size > SEEN_MAX) seen.delete(seen.values().next().value as string);
    },
    delete: (key) => void seen.delete(hashOf(key)),
  };
}
