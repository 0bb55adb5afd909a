// Reads JSON bodies. Accepts one media type and strict UTF-8. Refuses keys that change prototypes, bodies that are too
// deep or too large, and strings that PostgreSQL cannot store.
import { invalid, problem } from '../errors/problem.ts';

const DEPTH_MAX = 32;
const NODES_MAX = 10_000;
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i;
const POISON = new Set(['__proto__', 'constructor', 'prototype']);

/** Raises unsupported_media_type for anything but uncompressed JSON in UTF-8 (RFC 9110 §8.4.1). */
export function assertJsonType(contentType: string | undefined, contentEncoding: string | undefined): void {
  const packed = contentEncoding !== undefined && !/^identity$/i.test(contentEncoding);
  if (packed || !JSON_TYPE.test(contentType ?? '')) throw problem('unsupported_media_type');
}

/** Returns the value of a body; undefined for an empty body. Raises malformed_json or validation_failed. */
export function parseBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    throw problem('malformed_json');
  }
  assertHarmless(value);
  return value;
}

/** Visits every value without recursion, so that a deep body cannot overflow the stack. */
function assertHarmless(root: unknown): void {
  const waiting: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  let nodes = 0;
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    nodes += 1;
    if (next.depth > DEPTH_MAX || nodes > NODES_MAX) throw refuse('is nested too deeply or has too many members');
    const { value, depth } = next;
    if (typeof value === 'string') assertText(value);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, member] of Object.entries(value)) {
        if (POISON.has(key)) throw refuse(`must not have a member named ${key}`);
        assertText(key);
        waiting.push({ value: member, depth: depth + 1 });
      }
    }
  }
}

function assertText(text: string): void {
  if (text.includes('\0') || !text.isWellFormed()) throw refuse('must be valid Unicode without NUL');
}

function refuse(message: string) {
  return invalid('', message);
}
