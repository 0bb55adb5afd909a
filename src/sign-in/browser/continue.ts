// Where a person continues after a page, as the parameter or the field `return_to` says.
import { z } from 'zod';
import type { Attempt } from '../../base/page-kit/form.ts';
import type { BrowserDeps } from './cookie.ts';

const LENGTH_MAX = 2000;
export const Target = z.string().max(LENGTH_MAX);

/** Whether a form refuses this URL as its field `return_to`. */
export const isTooLong = ({ href }: URL) => href.length > LENGTH_MAX;

interface Shown {
  readonly attempt: Attempt;
  readonly query: { readonly return_to?: string | undefined };
  readonly allowFormTo: (origin: string) => void;
}

/**
 * Returns the URL to which the person continues, if there is one, and lets the form of the page lead there. A URL whose
 * letters outside ASCII make it too long once they are percent-encoded is ignored: the form would be refused because of
 * a field that nobody sees.
 */
export function targetOf(deps: BrowserDeps, { attempt, query, allowFormTo }: Shown): URL | null {
  const target = deps.returnTo(attempt.typed.return_to ?? query.return_to);
  if (!target || isTooLong(target)) return null;
  allowFormTo(target.origin);
  return target;
}

/** The address of a page from which the person continues to the target. */
export function onTheWayTo(target: URL | null, path: string): string {
  return target ? `${path}?${new URLSearchParams({ return_to: target.href })}` : path;
}
