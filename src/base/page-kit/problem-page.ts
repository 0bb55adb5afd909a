// A problem as a page, for people who come with a browser.
import type { Problem } from '../errors/problem.ts';
import { type Html, html } from './html.ts';
import type { View } from './kit.ts';
import { layout } from './layout.ts';
import { problemText } from './problem-text.ts';

/** The problems after which it helps to open the same page again. */
const OPEN_AGAIN = new Set(['form_expired', 'cross_site_request', 'validation_failed', 'session_revoked']);

/** Returns the page of a problem. It needs no database, and does not know who is signed in. */
export function problemPage(view: View, thrown: Problem, requestId: string): Html {
  const { title, detail } = problemText(view.text, thrown);
  const [path = '/'] = view.target.split('?');
  const again = (OPEN_AGAIN.has(thrown.code) || thrown.status >= 500) && /^\/(?![/\\])[^\s\\]*$/.test(path);
  const { copy, copied, requestId: named } = view.text.layout;
  return layout(view, {
    title,
    body: html`<p>${detail}</p>
<p><a class="button" href="${again ? path : '/'}">${again ? view.text.openAgain : view.text.home}</a></p>
<p class="hint"><span data-copy="${requestId}" data-label="${copy}" data-done="${copied}">${named(requestId)}</span></p>`,
  });
}
