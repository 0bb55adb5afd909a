// The conditions of a request: If-Match and If-None-Match (RFC 9110 §13.1). They are evaluated after the permission has
// been checked and the resource has been found, so they tell nobody more than a GET does.
import { problem } from '../errors/problem.ts';
import { matchesStrongly, matchesWeakly, readTags, type Tags } from './etag.ts';

/**
 * A function that raises precondition_failed when the request is conditional and the state that `current` returns does
 * not match. A change calls this in its transaction, under the lock that keeps the state unchanged. `current` is called
 * only for a conditional request.
 */
export type AssertVersion<Current> = (current: () => Current | Promise<Current>) => Promise<void>;

/** The AssertVersion of changes without a request, such as those of an operator. Raises nothing. */
export const anyVersion: AssertVersion<unknown> = async () => undefined;

export interface Conditions {
  /** Null when the header is absent. */
  readonly match: Tags | null;
  readonly noneMatch: Tags | null;
}

export interface SentHeaders {
  /** The values by lower-case names, as Node joins them. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Names and values in turn, as they were sent. */
  readonly rawHeaders: readonly string[];
}

/**
 * Returns the value of a header; null when it is absent. Raises bad_request when it was sent more than once, because
 * nobody can say which of the values is meant.
 */
export function singleHeader({ headers, rawHeaders }: SentHeaders, name: string, shown: string): string | null {
  const value = headers[name];
  if (value === undefined) return null;
  const isRepeated = rawHeaders.filter((sent, index) => index % 2 === 0 && sent.toLowerCase() === name).length > 1;
  if (isRepeated || typeof value !== 'string') throw problem('bad_request', { detail: `Send one ${shown} header.` });
  return value;
}

const FORM = 'must be * or a list of entity tags such as "abc", with their quotes.';

/** Reads the conditions of a change. Raises bad_request for a condition that cannot be read. */
export function readConditions(sent: SentHeaders): Conditions {
  return { match: read(sent, 'if-match', 'If-Match'), noneMatch: read(sent, 'if-none-match', 'If-None-Match') };
}

function read(sent: SentHeaders, name: string, shown: string): Tags | null {
  const value = singleHeader(sent, name, shown);
  if (value === null) return null;
  const tags = readTags(value);
  if (tags === null) throw problem('bad_request', { detail: `${shown} ${FORM}` });
  return tags;
}

/** Returns the tags of If-None-Match on a GET request. A malformed header counts as absent. */
export function knownTags(ifNoneMatch: string | string[] | undefined): Tags | null {
  return typeof ifNoneMatch === 'string' ? readTags(ifNoneMatch) : null;
}

export function isConditional({ match, noneMatch }: Conditions): boolean {
  return match !== null || noneMatch !== null;
}

/** Raises precondition_failed unless the conditions hold for a resource with this tag (RFC 9110 §13.2.2). */
export function assertConditions({ match, noneMatch }: Conditions, etag: string): void {
  if (match !== null && !matchesStrongly(match, etag)) throw problem('precondition_failed');
  if (noneMatch !== null && matchesWeakly(noneMatch, etag)) throw problem('precondition_failed');
}

const UNVERSIONED = {
  detail: 'This resource has no entity tag, so If-Match cannot match it: send the request without If-Match.',
};

/** Raises precondition_failed for If-Match with tags, for a resource that has no tag. */
export function assertUnversioned({ match }: Conditions): void {
  if (match !== null && match !== 'any') throw problem('precondition_failed', UNVERSIONED);
}
