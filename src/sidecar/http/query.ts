// One parameter of a target's query: finding it, and taking it out without touching anything else.

/** The parameter's values as a form decoder reads them, and the target without any of them. */
export function takeParameter(
  target: string,
  name: string,
): { readonly values: readonly string[]; readonly rest: string } {
  const mark = target.indexOf('?');
  if (mark < 0) return { values: [], rest: target };
  const values: string[] = [];
  const kept: string[] = [];
  for (const pair of target.slice(mark + 1).split('&')) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    if (decoded(key) === name) values.push(equals < 0 ? '' : decoded(pair.slice(equals + 1)));
    else kept.push(pair);
  }
  if (values.length === 0) return { values, rest: target };
  const path = target.slice(0, mark);
  return { values, rest: kept.length === 0 ? path : `${path}?${kept.join('&')}` };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

const PATH_LENGTH_MAX = 1024;
// Of a query whose mark was escaped, or of an address that was built by mistake.
const TOKEN_LIKE = /eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g;

/** The path of a target, for logs: a query may hold what belongs in none, and so may a path that is none. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return target.slice(0, Math.min(end < 0 ? target.length : end, PATH_LENGTH_MAX)).replace(TOKEN_LIKE, '[redacted]');
}
