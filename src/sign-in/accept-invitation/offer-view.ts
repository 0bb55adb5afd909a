// How the page of an invitation looks: before there is a token, with an invitation and its next step, and with a token
// that cannot be used.
import { remark, wrong } from '../../base/page-kit/blocks.ts';
import { moment } from '../../base/page-kit/dates.ts';
import { type Attempt, FRESH, field, form, hidden } from '../../base/page-kit/form.ts';
import { type Html, html } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { linkForm, tokenField } from '../../base/page-kit/link.ts';
import type { Offer } from '../../directory/invitations/redeem.ts';
import { isTooLong, onTheWayTo } from '../browser/continue.ts';
import { HOME, SIGN_IN } from '../browser/cookie.ts';
import type { NextStep } from './read-offer.ts';

export const ACCEPT = '/accept-invitation';

/** The page before there is a token. A script sends its form at once for people who came by a link. */
export function arrivalPage(view: View, attempt: Attempt, target: URL | null): Html {
  const { title, intro } = view.text.invitation;
  return layout(view, {
    title,
    body: html`${wrong(view, attempt)}<p>${intro}</p>
${bringing(view, attempt, target)}`,
  });
}

function bringing(view: View, attempt: Attempt, target: URL | null): Html {
  return linkForm(view, attempt, { path: ACCEPT, fields: hidden('return_to', target?.href) });
}

/** The same page for every token that cannot be used, whatever the reason is. */
export function deadPage(view: View, target: URL | null): Html {
  const { deadTitle, dead, deadNext, accepted, toAccount, toSignIn } = view.text.invitation;
  const way = view.isSignedIn ? HOME : SIGN_IN;
  return layout(view, {
    title: deadTitle,
    body: html`<div class="notice bad" role="alert">${dead}</div>
<p>${deadNext}</p>
${bringing(view, FRESH, target)}
<p class="after">${accepted} <a href="${onTheWayTo(view.isSignedIn ? null : target, way)}">${view.isSignedIn ? toAccount : toSignIn}</a></p>`,
  });
}

interface Shown {
  readonly offer: Offer;
  readonly next: NextStep;
  readonly token: string;
  readonly target: URL | null;
}

export function offerPage(view: View, attempt: Attempt, shown: Shown): Html {
  const text = view.text.invitation;
  const { offer, next, target } = shown;
  const steps = { accept, switch: switchAccount, sign_in: signIn, register };
  return layout(view, {
    title: text.join(offer.organizationName),
    body: html`${wrong(view, attempt)}
${facts(view, offer)}
${steps[next.step](view, attempt, shown)}
<details class="after"><summary>${text.otherLink}</summary>
${bringing(view, FRESH, target)}
</details>`,
  });
}

function facts(view: View, { organizationName, inviterName, roles, email, expiresAt }: Offer): Html {
  const text = view.text.invitation;
  const fact = (title: string, value: string) => html`<dt>${title}</dt><dd dir="auto">${value}</dd>`;
  return html`<dl>
${fact(text.organization, organizationName)}
${inviterName !== null && fact(text.inviter, inviterName)}
${fact(text.roles, roles.join(', '))}
${fact(text.invited, email)}
${fact(text.until, moment(view.language, expiresAt))}
</dl>`;
}

/** The fields of every form that acts with the invitation which is shown. */
function acting({ token, target }: Shown, step: 'accept' | 'register' | 'sign-out'): Html {
  return html`${tokenField(token)}${hidden('step', step)}${hidden('return_to', target?.href)}`;
}

function accept(view: View, _attempt: Attempt, shown: Shown): Html {
  return form(view, { action: ACCEPT, submit: view.text.invitation.accept, fields: acting(shown, 'accept') });
}

function switchAccount(view: View, _attempt: Attempt, shown: Shown): Html {
  const { forAnother, signOut } = view.text.invitation;
  const ownEmail = shown.next.step === 'switch' ? shown.next.ownEmail : '';
  return html`${remark(forAnother(ownEmail, shown.offer.email))}
${form(view, { action: ACCEPT, submit: signOut, look: 'plain', fields: acting(shown, 'sign-out') })}`;
}

function signIn(view: View, _attempt: Attempt, { target }: Shown): Html {
  const { hasAccount, signInFirst } = view.text.invitation;
  return html`${remark(hasAccount)}
<p><a class="button main" href="${signInAndBack(view, target)}">${signInFirst}</a></p>`;
}

/** The page to sign in, which leads back to the invitation. The browser keeps the token meanwhile. */
function signInAndBack({ kit }: View, target: URL | null): string {
  const back = new URL(onTheWayTo(target, ACCEPT), kit.origin);
  // The way back to the invitation matters more than the address at which the person continues afterwards.
  return onTheWayTo(isTooLong(back) ? new URL(ACCEPT, kit.origin) : back, SIGN_IN);
}

function register(view: View, attempt: Attempt, shown: Shown): Html {
  const { register: texts, invitation: text } = view.text;
  const { offer, target } = shown;
  const name = { name: 'name', label: texts.name, autocomplete: 'name' };
  const password = { name: 'password', label: texts.password, type: 'password', autocomplete: 'new-password' } as const;
  // Password managers keep the password under the e-mail, which nobody can change here.
  const fields = html`${acting(shown, 'register')}
${field(view, attempt, name)}
<div class="field">
<label for="field-email">${texts.email}</label>
<input id="field-email" type="email" autocomplete="username" value="${offer.email}" readonly dir="auto">
</div>
${field(view, attempt, { ...password, hint: texts.passwordHint })}`;
  return html`${form(view, { action: ACCEPT, submit: text.createAndJoin, fields })}
<p class="after">${texts.hasAccount} <a href="${signInAndBack(view, target)}">${texts.signIn}</a></p>`;
}
