// What happens before the body of a request for a page is read: the rate limit, the check that a form was sent from a
// page of this service, and the session of the browser.
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Caller } from '../../protocol/caller.ts';
import { problem } from '../errors/problem.ts';
import type { Kit } from '../page-kit/kit.ts';
import { workFor } from '../platform/requester.ts';
import type { Endpoint } from './endpoint.ts';
import type { Guard } from './mount.ts';
import { networkOf } from './rate-limit.ts';
import { workOf } from './request-info.ts';

export interface PageGuard {
  readonly kit: Kit;
  /** The caller of the live session with this key, which the browser keeps in its cookie. Null for any other text. */
  readonly authenticateBrowser: (key: string) => Promise<Caller | null>;
}

/** The page to which people go who are not signed in. With this query it says that their session has ended. */
const SIGN_IN = '/sign-in';
const ENDED = '?notice=ended';
/** A page is for people who come to this service. No other origin may read it. */
const CORS = ['access-control-allow-origin', 'access-control-allow-credentials', 'access-control-expose-headers'];

/**
 * Admits a visitor or a signed-in browser to a page. Sends a browser that has to sign in to the page for it. Raises
 * too_many_requests and cross_site_request.
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
  if (declared.limit === 'sign_in') {
    await guard.draw(request, reply, 'signIn', `${declared.limitAs ?? declared.id} ${network}`);
  }
  if (declared.method === 'POST') assertOwnForm(pages.kit.origin, request);
  const { cookies } = pages.kit;
  const key = request.server.parseCookie(request.headers.cookie ?? '')[cookies.name('session')] ?? '';
  const work = workOf(request);
  // Each key is a question to PostgreSQL. So a network may send only so many that are unknown.
  const guesses = `browser ${network}`;
  if (key !== '') await guard.draw.assertLeft(request, reply, 'other', guesses);
  const caller = key === '' ? null : await workFor(work, () => pages.authenticateBrowser(key));
  if (key !== '' && !caller) await guard.draw(request, reply, 'other', guesses);
  if (declared.limit !== 'sign_in') {
    await guard.draw(request, reply, 'other', caller ? `user ${caller.id}` : `page ${network}`);
  }
  if (caller) {
    request.setDecorator('caller', caller);
    work.isFor(caller);
    return undefined;
  }
  if (key !== '') reply.header('set-cookie', cookies.clear('session'));
  if (declared.access.kind === 'visitor') return undefined;
  return reply
    .code(303)
    .header('location', `${SIGN_IN}${key === '' ? '' : ENDED}`)
    .send();
}

/**
 * Raises cross_site_request unless a page of this service sent the form. A browser that sends Sec-Fetch-Site says so
 * there, and may then send `Origin: null`, because pages have Referrer-Policy: no-referrer. Any other one must send the
 * origin.
 */
function assertOwnForm(own: string, { headers }: FastifyRequest): void {
  const { origin, 'sec-fetch-site': site } = headers;
  const isOwn =
    site === undefined ? origin === own : site === 'same-origin' && (!origin || origin === 'null' || origin === own);
  if (!isOwn) throw problem('cross_site_request');
}
