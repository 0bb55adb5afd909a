// Makes the elements of a page. Values become attributes and texts, and never HTML.

/** Makes an element. An attribute that begins with `on` is a listener, and null or false leaves an attribute out. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : String(value));
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Shows other content in an element. */
export function show(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null && child !== undefined));
}

export function link(path, text) {
  return h('a', { href: path }, text);
}

/** Says that something was done. */
export function done(text) {
  return h('p', { class: 'notice good', role: 'status' }, text);
}

/** Shows facts as pairs of a name and a value. */
export function facts(pairs) {
  return h(
    'dl',
    {},
    pairs.flatMap(([name, value]) => [h('dt', {}, name), h('dd', { dir: 'auto' }, value)]),
  );
}
