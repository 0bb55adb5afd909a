// Answers a request that no endpoint matches. Its path is unknown, or the path is known but does not support the
// method.
import { type Problem, problem } from '../errors/problem.ts';
import type { Endpoint } from './endpoint.ts';

/**
 * Returns a function that maps a request target to its problem. A known path gets 405 with the Allow header (RFC 9110
 * §15.5.6), and any other path gets 404.
 */
export function unknownRoutes(endpoints: readonly Endpoint[]): (target: string) => Problem {
  const methods = new Map<string, Set<string>>();
  for (const { method, url } of endpoints) {
    const known = methods.get(url) ?? new Set();
    for (const each of method === 'GET' ? ['GET', 'HEAD'] : [method]) known.add(each);
    methods.set(url, known);
  }
  const paths = [...methods].map(([url, known]) => ({ pattern: pathPattern(url), known }));
  return (target) => {
    const path = target.split('?', 1)[0] ?? '';
    const allowed = new Set(paths.flatMap(({ pattern, known }) => (pattern.test(path) ? [...known] : [])));
    if (allowed.size === 0) return problem('not_found');
    return problem('method_not_allowed', { headers: { allow: [...allowed].sort().join(', ') } });
  };
}

function pathPattern(url: string): RegExp {
  const escaped = url
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:\w+/g, '[^/]+')
    .replace(/\/\\\*$/, '/.*');
  return new RegExp(`^${escaped}$`);
}
