// Finds one parameter in a target's query, and removes it without a change to the rest.

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
// The path may contain a token if the question mark was escaped or the address was built wrongly.
const TOKEN_LIKE = /eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?/g;

/**
 * The path of a target, for logs. The query is left out and token-like text is replaced, because both may contain
 * secrets.
 */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return target.slice(0, Math.min(end < 0 ? target.length : end, PATH_LENGTH_MAX)).replace(TOKEN_LIKE, '[redacted]');
}
