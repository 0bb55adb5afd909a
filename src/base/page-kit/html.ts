// The template function of pages and of the HTML of mails. It escapes each value, unless the value is Html itself, and
// there is no way around that. A place where escaping is not enough, such as an unquoted attribute, is refused.

/** Text that is HTML already. Only `html` makes it. */
export class Html {
  readonly #text: string;
  private constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
  /** Fills the gaps of a template. */
  static fill(strings: TemplateStringsArray, values: readonly Value[]): Html {
    const gaps = gapsOf(strings);
    let text = strings[0] ?? '';
    for (const [index, value] of values.entries()) {
      text += textOf(value, gaps[index] ?? 'text') + (strings[index + 1] ?? '');
    }
    return new Html(text);
  }
}

/** What a template may show. `null`, `undefined` and `false` show nothing. */
export type Value = Html | string | number | null | undefined | false | readonly Value[];

/** Fills an HTML template. Raises TypeError for a value in a place where it would not be safe. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  return Html.fill(strings, values);
}

/**
 * Where a gap of a template is: between tags, among the attributes of a tag, in a quoted value, or in the value of a
 * URL.
 */
type Gap = 'text' | 'tag' | 'value' | 'url';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '`': '&#96;',
};

/** Escapes a text for an element or a quoted attribute. */
function escapeText(text: string): string {
  return text.replace(/[&<>"'`]/g, (sign) => ESCAPES[sign] ?? '');
}

function textOf(value: Value, gap: Gap): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) {
    if (gap === 'value' || gap === 'url') throw new TypeError('HTML cannot be the value of an attribute');
    return value.toString();
  }
  if (Array.isArray(value)) return value.map((one: Value) => textOf(one, gap)).join('');
  if (gap === 'tag') throw new TypeError('only Html can be among the attributes of a tag');
  const text = String(value);
  if (gap === 'url' && !isHarmlessUrl(text)) throw new TypeError(`a page cannot link to ${JSON.stringify(text)}`);
  return escapeText(text.toWellFormed());
}

/** Whether a text is a path of this service, a query, a fragment, or an http or https URL. No such URL runs code. */
function isHarmlessUrl(text: string): boolean {
  return /^(?:https?:\/\/|\/(?![/\\])|#|\?)[^\s\\]*$/i.test(text);
}

const known = new WeakMap<TemplateStringsArray, readonly Gap[]>();

/** The places of the gaps, which depend on the template alone. Raises TypeError for a place that is not safe. */
function gapsOf(strings: TemplateStringsArray): readonly Gap[] {
  const found = known.get(strings);
  if (found) return found;
  const place: Place = { state: 'text', tag: '', attribute: '' };
  const gaps = strings.slice(0, -1).map((text) => {
    for (let at = 0; at < text.length; at += 1) step(place, text, at);
    return gapAt(place, text);
  });
  known.set(strings, gaps);
  return gaps;
}

/** Where the reader of a template is. `attribute` is the name that it has read, with its equals sign. */
interface Place {
  state: 'text' | 'tag' | 'quoted';
  tag: string;
  attribute: string;
}

function step(place: Place, text: string, at: number): void {
  const sign = text.charAt(at);
  if (place.state === 'text') {
    if (sign !== '<') return;
    place.state = 'tag';
    place.tag = /^<\/?([a-z0-9]*)/i.exec(text.slice(at))?.[1]?.toLowerCase() ?? '';
    // The name of the tag is no attribute: the blank after the name begins the first attribute.
    place.attribute = '<';
  } else if (place.state === 'tag') {
    if (sign === '>') place.state = 'text';
    else if (sign === '"') place.state = 'quoted';
    else place.attribute = /\s/.test(sign) ? '' : place.attribute + sign;
  } else if (sign === '"') {
    place.state = 'tag';
    place.attribute = '';
  }
}

function gapAt({ state, tag, attribute }: Place, text: string): Gap {
  if (state === 'text') {
    if (/^(script|style)$/.test(tag)) throw new TypeError(`a template cannot fill a <${tag}>`);
    return 'text';
  }
  if (state === 'tag') {
    if (attribute === '') return 'tag';
    throw new TypeError(`a tag or an attribute without quotes is filled after ${JSON.stringify(text.slice(-20))}`);
  }
  const name = attribute.replace(/=$/, '').toLowerCase();
  if (/^(on.*|style|srcdoc)$/.test(name)) throw new TypeError(`a template cannot fill the attribute ${name}`);
  // After an empty value, the next value may be the beginning of the URL.
  const isBeginning = text === '' || text.endsWith('"');
  return isBeginning && /^(href|src|action|formaction)$/.test(name) ? 'url' : 'value';
}

/** HTML that shows nothing. */
export const NO_HTML = html``;
