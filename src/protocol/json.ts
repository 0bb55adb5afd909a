// Reads JSON strictly: valid UTF-8, no byte order mark, no repeated member (RFC 7515 §4, RFC 8259 §4), no -0, and no
// number that JSON.parse silently turns into 0 or infinity.

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Something that JSON.parse would hide. `path` is its position, such as `settings.limits.0`. */
export interface JsonFlaw {
  /** `inexact_number` is -0, or a number that would become 0 or infinite. */
  readonly kind: 'repeated_member' | 'inexact_number';
  readonly path: string;
}

/** Returns the text of the bytes. Raises TypeError unless they are valid UTF-8. */
export function decodeJson(bytes: Uint8Array): string {
  return UTF8.decode(bytes);
}

/**
 * Parses an object, with any whitespace and order of members. Null for anything else, and for an object with a flaw.
 */
export function readJsonObject(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const text = decodeJson(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return findJsonFlaw(text) ? null : (value as Record<string, unknown>);
  } catch {
    return null;
  }
}

/** Whether the text of a number keeps its value when it is parsed and written again, apart from rounding. */
export function isFaithfulNumber(literal: string): boolean {
  const value = Number(literal);
  if (value !== 0) return Number.isFinite(value);
  return literal.charCodeAt(0) !== MINUS && !/^[^eE]*[1-9]/.test(literal);
}

const [QUOTE, COMMA, MINUS, NINE, ZERO] = [0x22, 0x2c, 0x2d, 0x39, 0x30];
const [BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x5c, 0x5b, 0x5d, 0x7b, 0x7d];
const WHOLE = /^\d+$/;

interface Container {
  /** The names of an object so far; null for a list. */
  readonly names: Set<string> | null;
  /** The name or the position of the value that is being read. */
  at: string | number;
}

/**
 * Returns the first flaw of a well-formed JSON text; null when it has none. Two spellings of a name are the same name
 * (`"a"` is `"\u0061"`).
 */
export function findJsonFlaw(text: string): JsonFlaw | null {
  const open: Container[] = [];
  let isName = false;
  const flaw = (kind: JsonFlaw['kind']) => ({ kind, path: open.map(({ at }) => at).join('.') });
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    const top = open.at(-1);
    if (code === QUOTE) {
      const end = endOfString(text, index);
      if (isName && top?.names) {
        top.at = nameOf(text.slice(index, end + 1));
        if (top.names.has(top.at)) return flaw('repeated_member');
        top.names.add(top.at);
        isName = false;
      }
      index = end;
    } else if (code === OPEN || code === OPEN_LIST) {
      isName = code === OPEN;
      open.push(isName ? { names: new Set(), at: '' } : { names: null, at: 0 });
    } else if (code === CLOSE || code === CLOSE_LIST) {
      isName = false;
      open.pop();
    } else if (code === COMMA && top) {
      isName = top.names !== null;
      if (!isName) top.at = Number(top.at) + 1;
    } else if (code === MINUS || (code >= ZERO && code <= NINE)) {
      const end = endOfNumber(text, index);
      // A short whole number without a sign always keeps its value. Most numbers are such numbers.
      const isPlain = code !== MINUS && end - index < 16 && WHOLE.test(text.slice(index, end));
      if (!isPlain && !isFaithfulNumber(text.slice(index, end))) return flaw('inexact_number');
      index = end - 1;
    }
  }
  return null;
}

function nameOf(quoted: string): string {
  return quoted.includes('\\') ? (JSON.parse(quoted) as string) : quoted.slice(1, -1);
}

/**
 * The position after the number that begins at `start`. Only white space, a comma or a closing bracket can follow a
 * number.
 */
function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  for (let code = text.charCodeAt(end); code > 0x20 && code !== COMMA; code = text.charCodeAt(end)) {
    if (code === CLOSE || code === CLOSE_LIST) break;
    end += 1;
  }
  return end;
}

/** The position of the quote that ends the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let before = end - 1;
    while (text.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((end - before) % 2 === 1) return end;
  }
  return text.length;
}
