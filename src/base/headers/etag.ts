// Entity tags (RFC 9110 §8.8.3): makes the tag of a representation, and reads the lists of tags in If-Match and
// If-None-Match.
import { hash } from 'node:crypto';

export interface Tag {
  /** The opaque tag with its quotes. */
  readonly opaque: string;
  readonly isWeak: boolean;
}

/** `any` stands for `*`, which matches every representation that exists. */
export type Tags = 'any' | readonly Tag[];

const LENGTH = 22; // 132 bits in base64url
const TAGS_MAX = 100;
const TAG = /^(W\/)?("[\x21\x23-\x7e\x80-\xff]*")$/;

/**
 * The strong tag of a representation. It is a hash of the text, so it is the same in every process, and it changes with
 * every change that a reader can see.
 */
export function etagOf(representation: string): string {
  return `"${hash('sha256', representation, 'base64url').slice(0, LENGTH)}"`;
}

/** Reads `*` or a list of tags. Returns null for any other text. A list may have empty elements (RFC 9110 §5.6.1.2). */
export function readTags(value: string): Tags | null {
  if (value.trim() === '*') return 'any';
  const elements = splitList(value);
  if (elements === null || elements.length === 0 || elements.length > TAGS_MAX) return null;
  const tags: Tag[] = [];
  for (const element of elements) {
    const [, weak, opaque] = TAG.exec(element) ?? [];
    if (opaque === undefined) return null;
    tags.push({ opaque, isWeak: weak !== undefined });
  }
  return tags;
}

/** Splits at the commas outside of quotes. Returns null if the last quote is not closed. */
function splitList(value: string): string[] | null {
  const quotes = value.split('"').length - 1;
  if (quotes % 2 === 1) return null;
  return (value.match(/(?:[^",]|"[^"]*")+/g) ?? []).map((part) => part.trim()).filter((part) => part !== '');
}

/** Compares strongly (RFC 9110 §8.8.3.2): a weak tag never matches. */
export function matchesStrongly(tags: Tags, etag: string): boolean {
  return tags === 'any' || tags.some(({ opaque, isWeak }) => !isWeak && opaque === etag);
}

/** Compares weakly: a weak tag matches a strong one with the same text. */
export function matchesWeakly(tags: Tags, etag: string): boolean {
  return tags === 'any' || tags.some(({ opaque }) => opaque === etag);
}
