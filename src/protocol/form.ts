// Reads application/x-www-form-urlencoded strictly (RFC 6749 Appendix B): errors that browsers would repair are
// refused.

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes one name or value. Null for a broken escape, bad UTF-8, or NUL. */
export function decodeFormText(encoded: string): string | null {
  try {
    const text = decodeURIComponent(encoded.replaceAll('+', ' '));
    return text.includes('\0') ? null : text;
  } catch {
    return null;
  }
}

/**
 * The names and values of a form in their order, with repeated and empty ones. Returns null if a part of the form is
 * badly encoded.
 */
export function readForm(bytes: Uint8Array): readonly (readonly [name: string, value: string])[] | null {
  let text: string;
  try {
    text = UTF8.decode(bytes);
  } catch {
    return null;
  }
  const pairs: [string, string][] = [];
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeFormText(equals < 0 ? pair : pair.slice(0, equals));
    const value = decodeFormText(equals < 0 ? '' : pair.slice(equals + 1));
    if (name === null || value === null) return null;
    pairs.push([name, value]);
  }
  return pairs;
}
