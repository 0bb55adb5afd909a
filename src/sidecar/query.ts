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

/** The path of a target, for logs: a query may hold what belongs in none. */
export function pathOf(target: string): string {
  const mark = target.indexOf('?');
  return mark < 0 ? target : target.slice(0, mark);
}
