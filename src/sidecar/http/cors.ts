// Cross-origin requests of browsers that the sidecar answers itself: preflights, which never have a token, and the
// sidecar's own refusals. The upstream sets the headers of its own answers.
import type { ServerResponse } from 'node:http';
import type { SidecarSettings } from '../core/contract.ts';
import { SECURITY_HEADERS } from './answer.ts';
import type { Head } from './head.ts';

type Settings = Pick<SidecarSettings, 'allowedOrigins'>;

/** The headers that let a listed origin read an answer of the sidecar; none for other origins. */
export function allowOrigin(head: Head | undefined, { allowedOrigins }: Settings): Record<string, string> {
  const origin = listed(head, allowedOrigins);
  if (origin === null) return {};
  return { 'access-control-allow-origin': origin, 'access-control-allow-credentials': 'true', vary: 'Origin' };
}

/**
 * Answers the preflight of a listed origin, and returns whether the request was such a preflight. Any other request
 * needs a token.
 */
export function answerPreflight(head: Head, response: ServerResponse, settings: Settings): boolean {
  const method = head.fields.get('access-control-request-method')?.[0];
  if (head.method !== 'OPTIONS' || method === undefined || listed(head, settings.allowedOrigins) === null) return false;
  const wanted = head.fields.get('access-control-request-headers')?.[0];
  response.writeHead(204, {
    ...SECURITY_HEADERS,
    ...allowOrigin(head, settings),
    'access-control-allow-methods': method,
    ...(wanted === undefined ? {} : { 'access-control-allow-headers': wanted }),
    'access-control-max-age': '600',
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
  });
  response.end();
  return true;
}

function listed(head: Head | undefined, allowed: readonly string[]): string | null {
  const origins = head?.fields.get('origin') ?? [];
  const [origin] = origins;
  return origins.length === 1 && origin !== undefined && allowed.includes(origin) ? origin : null;
}
