// The one-time token of a link from a mail. It is in the fragment of the link, which no browser sends. So a script puts
// it into a field, and without scripts a person pastes the whole link there. The service gets the token only when the
// form is sent.
import { z } from 'zod';
import { invalid, type ProblemCode } from '../errors/problem.ts';
import { is256Bits } from '../platform/bits.ts';
import { type Attempt, field, form, hidden, isAbout } from './form.ts';
import { type Html, html } from './html.ts';
import type { View } from './kit.ts';

/** The name of the field, and of the parameter in the fragment of a link. */
const FIELD = 'token';

/** The schema of the field with what a person pasted. `readToken` reads the token in it. */
export const PastedLink = z.string().max(2000, 'must have at most 2000 characters');

/**
 * Returns the token in the text of the field: the token alone, or the link to the page with this path. Blanks in it and
 * angle brackets around it do not matter, because mail programs add them. Raises validation_failed for any other text.
 */
export function readToken({ kit }: View, path: string, pasted: string): string {
  const token = tokenIn(kit.origin, path, pasted);
  if (token === null) throw invalid(FIELD, 'must be the link of the mail');
  return token;
}

function tokenIn(origin: string, path: string, pasted: string): string | null {
  const text = pasted.replace(/[\s\u200b-\u200f\u2060\ufeff]+/g, '').replace(/^<|>$/g, '');
  if (is256Bits(text)) return text;
  if (!URL.canParse(text)) return null;
  const { hash, ...url } = partsOf(new URL(text));
  if (url.origin !== origin || url.path !== path || url.isNamed) return null;
  const [token = '', ...others] = new URLSearchParams(hash.slice(1)).getAll(FIELD);
  return others.length === 0 && is256Bits(token) ? token : null;
}

/** The parts of a URL that are compared. A URL with a user name or a password looks as if it led elsewhere. */
function partsOf({ origin, pathname: path, hash, username, password }: URL) {
  return { origin, path, hash, isNamed: username !== '' || password !== '' };
}

export interface LinkField {
  /** The path of the page. Without PUBLIC_APP_URL, the links in mails lead to this path. */
  readonly path: string;
  /** The codes of problems that are about the token, in addition to the problem of a text without a token. */
  readonly codes?: readonly ProblemCode[];
}

/**
 * Returns the field for a link. With scripts, a person who came by the link does not see the field. When the form is
 * shown again for another reason, the field keeps the token and stays hidden. The page must keep what was typed into
 * `token`.
 */
export function linkField(view: View, attempt: Attempt, asked: LinkField): Html {
  const { path, codes = [] } = asked;
  const typed = attempt.typed[FIELD];
  const isReadable = typed !== undefined && tokenIn(view.kit.origin, path, typed) !== null;
  if (!isReadable || isAbout(attempt, FIELD, codes)) return pasting(view, attempt, codes, 'fill');
  return html`<div data-link="fill" hidden>${hidden(FIELD, typed)}</div>`;
}

/**
 * Returns the form that brings the token of a link to the page with this path. A script sends the form at once for a
 * person who came by the link, so sending it must not use the token up. Instead, the page keeps the token
 * (`view.keepToken`) and shows what the link is for. `fields` are further fields of the form, which are hidden.
 */
export function linkForm(view: View, attempt: Attempt, asked: LinkField & { readonly fields?: Html }): Html {
  const { path, codes = [], fields } = asked;
  const shown = html`${fields}${pasting(view, attempt, codes, 'send')}`;
  return form(view, { action: path, submit: view.text.link.submit, fields: shown });
}

/** The hidden field with the token, for the form that does what the link is for. */
export function tokenField(token: string): Html {
  return hidden(FIELD, token);
}

function pasting(view: View, attempt: Attempt, codes: readonly ProblemCode[], act: 'fill' | 'send'): Html {
  const { label, hint } = view.text.link;
  // What is pasted is a secret, so the browser must not offer it again.
  const shown = field(view, attempt, { name: FIELD, label, hint, autocomplete: 'off', codes });
  return html`<div data-link="${act}">${shown}</div>`;
}
