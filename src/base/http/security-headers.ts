// The security headers of every answer. They are always the same, so helmet computes them once and not for each
// request. Only the content security policy is replaced by pages and by the API reference.
import helmet from '@fastify/helmet';
import Fastify from 'fastify';

const HEADERS_OF_ONE_ANSWER = new Set(['content-length', 'content-type', 'date', 'connection', 'keep-alive']);
const NOTHING = ["'none'"];

/** The headers of helmet for an API without pages: a browser must not load, frame or guess anything from an answer. */
export async function securityHeaders(options: {
  readonly https: boolean;
  readonly httpsSubdomains?: boolean;
}): Promise<Record<string, string>> {
  const probe = Fastify();
  await probe.register(helmet, {
    // The last three directives do not fall back to default-src.
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: NOTHING, baseUri: NOTHING, formAction: NOTHING, frameAncestors: NOTHING },
    },
    strictTransportSecurity: options.https
      ? { maxAge: 31_536_000, includeSubDomains: options.httpsSubdomains ?? false }
      : false,
    referrerPolicy: { policy: 'no-referrer' },
    xFrameOptions: { action: 'deny' },
  });
  probe.get('/', () => '');
  const { headers } = await probe.inject('/');
  await probe.close();
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      HEADERS_OF_ONE_ANSWER.has(name) || value === undefined ? [] : [[name, String(value)]],
    ),
  );
}

/**
 * The policy of a page. The page loads its style, its scripts and its images from this service, and nothing else. An
 * image may also be a data URL. `targets` are further origins to which the redirect after its form may lead, because
 * browsers apply form-action also to that redirect.
 */
export function pagePolicy(targets: readonly string[] = []): string {
  const formAction = ["'self'", ...targets].join(' ');
  return [
    "default-src 'none'",
    "style-src 'self'",
    "script-src 'self'",
    "img-src 'self' data:",
    `form-action ${formAction}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ].join('; ');
}
