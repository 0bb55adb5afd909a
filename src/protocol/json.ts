// Reads JSON objects strictly: valid UTF-8, no byte order mark, no repeated member (RFC 7515 §4, RFC 8259 §4).

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],]/g;

/** Parses an object, with any whitespace and order of members. Null for anything else. */
export function readJsonObject(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const text = UTF8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    return hasRepeatedMember(text) ? null : (value as Record<string, unknown>);
  } catch {
    return null;
  }
}

/** Whether any object in well-formed JSON has a member twice, in any spelling (`"a"` is `"\u0061"`). */
function hasRepeatedMember(text: string): boolean {
  const open: (Set<string> | null)[] = []; // the members of each open object; null for an array
  let isName = false;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{' || token === '[') open.push(token === '{' ? new Set() : null);
    else if (token === '}' || token === ']') open.pop();
    const members = open.at(-1);
    if (isName && members && token.startsWith('"')) {
      const name = JSON.parse(token) as string;
      if (members.has(name)) return true;
      members.add(name);
    }
    isName = token === '{' || token === ',';
  }
  return false;
}
