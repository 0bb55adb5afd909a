// The security headers of every answer. They are the same for all, so helmet computes them once and not per request.
import helmet from '@fastify/helmet';
import Fastify from 'fastify';

const OF_THE_ANSWER_ITSELF = new Set(['content-length', 'content-type', 'date', 'connection', 'keep-alive']);

/** What helmet sets for an API that answers data, never pages: nothing may be loaded, framed or guessed from it. */
export async function securityHeaders(options: { readonly https: boolean }): Promise<Record<string, string>> {
  const probe = Fastify();
  await probe.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    strictTransportSecurity: options.https ? { maxAge: 31_536_000, includeSubDomains: false } : false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  });
  probe.get('/', () => '');
  const { headers } = await probe.inject('/');
  await probe.close();
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      OF_THE_ANSWER_ITSELF.has(name) || value === undefined ? [] : [[name, String(value)]],
    ),
  );
}
