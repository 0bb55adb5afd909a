// Reads the HTML of pages for tests: its tags with their attributes, its texts, and its forms. It understands the HTML
// that the service writes, in which every value is quoted, and raises an error for anything else.

export interface Tag {
  readonly name: string;
  readonly isEnd: boolean;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Markup {
  readonly tags: readonly Tag[];
  /** The texts between the tags, decoded and trimmed, without empty ones. */
  readonly texts: readonly string[];
  readonly forms: readonly FoundForm[];
}

export interface FoundForm {
  readonly action: string;
  readonly method: string;
  /** The fields with the values that they have before anybody types. */
  readonly fields: Readonly<Record<string, string>>;
  readonly submit: string;
}

const TAG = /<(\/?)([a-z][a-z0-9]*)((?:\s+[a-z-]+(?:="[^"<]*")?)*)\s*>|<!doctype html>/gi;
const ATTRIBUTE = /([a-z-]+)(?:="([^"]*)")?/gi;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' };

export function decode(text: string): string {
  return text.replace(/&([a-z#0-9]+);/g, (whole, name: string) => ENTITIES[name] ?? whole);
}

/** Reads a page. */
export function readMarkup(text: string): Markup {
  const tags: Tag[] = [];
  const texts: string[] = [];
  let at = 0;
  const take = (part: string) => {
    if (/[<>]/.test(part)) throw new Error(`this is no markup of the service: ${part.slice(0, 200)}`);
    const shown = decode(part).replace(/\s+/g, ' ').trim();
    if (shown !== '') texts.push(shown);
  };
  for (const found of text.matchAll(TAG)) {
    take(text.slice(at, found.index));
    at = found.index + found[0].length;
    const [, end = '', name = '', attributes = ''] = found;
    if (name === '') continue;
    const pairs = [...attributes.matchAll(ATTRIBUTE)].map(([, key = '', value = '']) => [key, decode(value)] as const);
    tags.push({ name: name.toLowerCase(), isEnd: end !== '', attributes: Object.fromEntries(pairs) });
  }
  take(text.slice(at));
  return { tags, texts, forms: formsOf(tags) };
}

function formsOf(tags: readonly Tag[]): FoundForm[] {
  const forms: { action: string; method: string; fields: Record<string, string>; submit: string }[] = [];
  let form: (typeof forms)[number] | undefined;
  for (const { name, isEnd, attributes } of tags) {
    if (name === 'form' && !isEnd) {
      form = { action: attributes.action ?? '', method: attributes.method ?? 'get', fields: {}, submit: '' };
      forms.push(form);
    } else if (name === 'form') form = undefined;
    else if (form && name === 'input' && attributes.name !== undefined) {
      form.fields[attributes.name] = attributes.value ?? '';
    } else if (form && name === 'button' && !isEnd) form.submit = attributes['aria-label'] ?? '';
  }
  return forms;
}

/** The tags and the names of their attributes, which must not depend on any value that a page shows. */
export function shapeOf({ tags }: Markup): string {
  return tags
    .map(({ name, isEnd, attributes }) => `${isEnd ? '/' : ''}${name}[${Object.keys(attributes).join(' ')}]`)
    .join('\n');
}
