// The list of all endpoints without a running service, and its golden file (one line for each endpoint).
// Other files have the endpoints (src/app/endpoints.ts) and their reference (openapi.ts).
import { fileURLToPath } from 'node:url';
import { describeEndpoints } from '../../src/app/endpoints.ts';
import { type Access, changesVersioned, type Endpoint } from '../../src/base/http/endpoint.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Returns every endpoint that the service can have, including the reference page. None of them can be called. */
export function describedEndpoints(): Endpoint[] {
  return describeEndpoints(ROOT).map(({ endpoint }) => endpoint);
}

/** Returns the text that the pages show for an access. */
export function accessText(access: Access): string {
  switch (access.kind) {
    case 'open':
      return 'open';
    case 'signed_in':
      if (access.orClient) return 'signed in, or client';
      return access.alsoSuspended ? 'signed in, even if suspended' : 'signed in';
    case 'member':
      return access.orClient ? 'member or client' : 'member';
    case 'needs':
      return `needs ${access.permission}${access.orClient ? ', or client' : ''}`;
    case 'client':
      return `client with ${access.permission}`;
    case 'platform':
      return 'platform administrator';
    case 'visitor':
      return 'page, open';
    case 'browser':
      return 'page, signed in';
  }
}

/** The request headers that make changes safe, as far as the endpoint takes them. */
function guardsOf(declared: Endpoint): readonly string[] {
  return [
    ...(declared.idempotent ? ['Idempotency-Key'] : []),
    ...(changesVersioned(declared) ? ['If-Match'] : []),
    ...(declared.versioned !== undefined && declared.method === 'GET' ? ['If-None-Match'] : []),
  ];
}

/**
 * Returns method, URL, access, limit and the headers that make changes safe of every endpoint, sorted. If a route
 * becomes open to more callers, its line changes.
 */
export function routeList(endpoints: readonly Endpoint[]): string {
  const lines = endpoints.map((declared) => {
    const { method, url, access, limit } = declared;
    const columns = [method.padEnd(6), url.padEnd(42), accessText(access).padEnd(25), `limit ${limit}`.padEnd(13)];
    return [...columns, guardsOf(declared).join(', ')].join(' ').trimEnd();
  });
  const byPath = (line: string) => `${line.slice(7, 49)} ${line.slice(0, 6)}`;
  return `${lines.sort((a, b) => (byPath(a) < byPath(b) ? -1 : 1)).join('\n')}\n`;
}
