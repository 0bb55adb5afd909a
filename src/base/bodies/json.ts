// Reads JSON bodies. Accepts one media type and strict UTF-8. Refuses repeated members, -0, numbers that would become 0
// or infinite, keys that change prototypes, bodies that are nested too deeply or have too many values, and strings that
// PostgreSQL cannot store.
import { decodeJson, findJsonFlaw } from '../../protocol/json.ts';
import { invalid, problem } from '../errors/problem.ts';

const DEPTH_MAX = 32;
const NODES_MAX = 10_000;
const PATH_LENGTH_MAX = 200;
const JSON_TYPE = /^application\/json[ \t]*(?:;[ \t]*charset="?utf-8"?[ \t]*)?$/i;
const POISON = new Set(['__proto__', 'constructor', 'prototype']);

/** Raises unsupported_media_type for anything but uncompressed JSON in UTF-8 (RFC 9110 §8.4.1). */
export function assertJsonType(contentType: string | undefined, contentEncoding: string | undefined): void {
  const packed = contentEncoding !== undefined && !/^identity$/i.test(contentEncoding);
  if (packed || !JSON_TYPE.test(contentType ?? '')) throw problem('unsupported_media_type');
}

/**
 * Returns the value of a body; undefined for an empty body. Raises malformed_json, duplicate_member or
 * validation_failed.
 */
export function parseBody(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  let text: string;
  let value: unknown;
  try {
    text = decodeJson(bytes);
    value = JSON.parse(text);
  } catch {
    throw problem('malformed_json');
  }
  assertHarmless(value);
  assertFaithful(text);
  return value;
}

/** Refuses what two readers of the text could understand differently. */
function assertFaithful(text: string): void {
  const flaw = findJsonFlaw(text);
  if (!flaw) return;
  const path = flaw.path.slice(0, PATH_LENGTH_MAX);
  if (flaw.kind === 'inexact_number') {
    throw invalid(path, 'must be a number that keeps its value: neither -0, nor so small or so large that it is lost');
  }
  throw problem('duplicate_member', {
    detail: `The body has the member ${JSON.stringify(path)} more than once: send each member once.`,
  });
}

/** Visits every value without recursion, so that a deep body cannot overflow the stack. */
function assertHarmless(root: unknown): void {
  const waiting: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  let nodes = 0;
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    nodes += 1;
    if (next.depth > DEPTH_MAX || nodes > NODES_MAX) throw refuse('is nested too deeply or has too many values');
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
