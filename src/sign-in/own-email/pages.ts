// The pages on which people change their e-mail: one asks for the change and takes the code, and the links of the mails
// lead to the other two. Opening a link changes nothing.
import { z } from 'zod';
import { invalid } from '../../base/errors/problem.ts';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { browser, page, seeOther, visitor } from '../../base/http/page.ts';
import { Secret } from '../../base/http/wire.ts';
import { done, remark, wrong } from '../../base/page-kit/blocks.ts';
import { type Attempt, field, form, hidden } from '../../base/page-kit/form.ts';
import { type Html, html, NO_HTML } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { linkField, PastedLink, readToken } from '../../base/page-kit/link.ts';
import { CodeText } from '../../credentials/one-time/schema.ts';
import { getProfile } from '../../directory/profile/profile.ts';
import { Email } from '../../directory/users/schema.ts';
import type { Caller } from '../../protocol/caller.ts';
import { accountPage, EMAIL } from '../account/frame.ts';
import { onTheWayTo } from '../browser/continue.ts';
import { HOME, SIGN_IN } from '../browser/cookie.ts';
import { newPasswordForm, RESET } from '../forgotten-password/pages.ts';
import { FORGOT_PASSWORD } from '../password/pages.ts';
import { confirmEmailChange } from './confirm-change.ts';
import { findPendingEmail, requestEmailChange } from './request-change.ts';
import { revertEmailChange } from './revert-change.ts';
import type { OwnEmailDeps } from './routes.ts';

const CONFIRM = '/confirm-email';
const REVERT = '/revert-email';
const REFUSED = ['invalid_or_expired_token'] as const;

const LinkForm = z.strictObject({ token: PastedLink });
const EmailForm = z.strictObject({
  step: z.enum(['ask', 'code']),
  newEmail: Email.optional(),
  currentPassword: Secret.optional(),
  code: CodeText.optional(),
});

export function ownEmailPages(deps: OwnEmailDeps): Endpoint[] {
  return [...emailPage(deps), ...confirmPage(deps), ...revertPage(deps)];
}

function emailPage(deps: OwnEmailDeps): Endpoint[] {
  return page({
    url: EMAIL,
    access: browser(),
    name: 'OwnEmail',
    summary: 'Ask for another e-mail, and prove it by the code of the mail',
    query: z.object({ done: z.enum(['asked', 'changed']) }),
    async show({ view, caller, attempt, query }) {
      const pending = await findPendingEmail(deps, caller.id);
      const text = view.text.ownEmail;
      const notice = attempt.problem ? undefined : query.done;
      const isAsked = notice === 'asked' || pending !== null || attempt.typed.step === 'code';
      const body = html`${wrong(view, attempt)}${notice === 'asked' && remark(text.asked)}
${notice === 'changed' && done(text.changed)}
${await addresses(deps, view, caller, pending)}
${isAsked && codeForm(view, attempt)}
${askForm(view, attempt)}
<p class="after"><a href="${FORGOT_PASSWORD}">${view.text.ownPassword.forgotten}</a></p>`;
      return accountPage(view, EMAIL, { title: text.title, body });
    },
    form: {
      schema: EmailForm,
      keeps: ['step', 'newEmail'],
      limit: 'sign_in',
      limitAs: 'changeMyEmail',
      async send({ caller, form: { step, code, newEmail, currentPassword }, request: { network } }) {
        if (step === 'code') {
          if (code === undefined) throw invalid('code', 'is required');
          await confirmEmailChange(deps, caller, { code });
          return seeOther(`${EMAIL}?done=changed`);
        }
        if (newEmail === undefined) throw invalid('newEmail', 'is required');
        if (currentPassword === undefined) throw invalid('currentPassword', 'is required');
        await requestEmailChange(deps, caller, { newEmail, currentPassword, network });
        return seeOther(`${EMAIL}?done=asked`);
      },
    },
  });
}

/** The e-mail of the account, and the one that the user has asked for. */
async function addresses(deps: OwnEmailDeps, view: View, caller: Caller, pending: string | null): Promise<Html> {
  const { email } = await getProfile(deps, caller);
  const text = view.text.ownEmail;
  return html`<dl><dt>${text.current}</dt><dd dir="auto">${email}</dd>
${pending !== null && html`<dt>${text.pending}</dt><dd dir="auto">${pending}</dd>`}</dl>`;
}

function codeForm(view: View, attempt: Attempt): Html {
  const { code: label, codeHint: hint, confirm: submit, codeTitle } = view.text.ownEmail;
  const code = field(view, attempt, { name: 'code', label, hint, autocomplete: 'one-time-code', codes: REFUSED });
  return html`<h2>${codeTitle}</h2>
${form(view, { action: EMAIL, submit, fields: html`${hidden('step', 'code')}${code}` })}`;
}

function askForm(view: View, attempt: Attempt): Html {
  const { askTitle, intro, newEmail, password, submit } = view.text.ownEmail;
  const fields = html`${hidden('step', 'ask')}
${field(view, attempt, {
  name: 'newEmail',
  label: newEmail,
  type: 'email',
  autocomplete: 'email',
  codes: ['email_unchanged', 'email_disputed'],
})}
${field(view, attempt, {
  name: 'currentPassword',
  label: password,
  type: 'password',
  autocomplete: 'current-password',
  codes: ['wrong_password'],
})}`;
  return html`<h2>${askTitle}</h2>
<p>${intro}</p>
${form(view, { action: EMAIL, submit, fields })}`;
}

function confirmPage(deps: OwnEmailDeps): Endpoint[] {
  return page({
    url: CONFIRM,
    access: visitor(),
    name: 'ConfirmEmail',
    summary: 'Change the e-mail of the account of the browser, with the link of the mail to the new one',
    query: z.object({ done: z.enum(['changed']) }),
    async show({ view, caller, attempt, query }) {
      const { title, intro, submit, changed, again, toAccount, toSignIn, signInFirst } = view.text.confirmEmail;
      if (query.done === 'changed' && !attempt.problem) {
        const [way, label] = view.isSignedIn ? [HOME, toAccount] : [SIGN_IN, toSignIn];
        return layout(view, { title, body: html`${done(changed)}<p class="after"><a href="${way}">${label}</a></p>` });
      }
      if (attempt.problem?.code === 'invalid_or_expired_token') view.forgetToken();
      // A script replaces the token that the browser keeps with the token of a newer link.
      const kept = attempt.problem ? null : view.keptToken(CONFIRM);
      const typed = kept === null ? attempt.typed : { ...attempt.typed, token: kept };
      const fields = linkField(view, { ...attempt, typed }, { path: CONFIRM, codes: REFUSED });
      const body = html`${wrong(view, attempt)}
${caller ? html`${await addresses(deps, view, caller, await findPendingEmail(deps, caller.id))}<p>${intro}</p>` : html`<p>${signInFirst}</p>`}
${form(view, { action: CONFIRM, submit: caller ? submit : toSignIn, fields })}
${caller && html`<p class="after"><a href="${EMAIL}">${again}</a></p>`}`;
      return layout(view, { title, body });
    },
    form: {
      schema: LinkForm,
      keeps: ['token'],
      async send({ view, caller, form }) {
        const token = readToken(view, CONFIRM, form.token);
        if (!caller) {
          view.keepToken(CONFIRM, token);
          return seeOther(onTheWayTo(new URL(CONFIRM, view.kit.origin), SIGN_IN));
        }
        await confirmEmailChange(deps, caller, { token });
        view.forgetToken();
        return seeOther(`${CONFIRM}?done=changed`);
      },
    },
  });
}

function revertPage(deps: OwnEmailDeps): Endpoint[] {
  return page({
    url: REVERT,
    access: visitor(),
    name: 'RevertEmail',
    summary: 'Take back an e-mail that was changed, and set a new password',
    query: z.object({ done: z.enum(['reverted']) }),
    show({ view, attempt, query }) {
      const text = view.text.revertEmail;
      const { title } = text;
      if (query.done === 'reverted' && !attempt.problem) return layout(view, { title, body: reverted(view) });
      const what = [text.address, text.sessions, text.password].map((one) => html`<li>${one}</li>`);
      const fields = linkField(view, attempt, { path: REVERT, codes: REFUSED });
      const isDead = attempt.problem?.code === 'invalid_or_expired_token';
      const body = html`${refusal(view, attempt)}<p>${text.intro}</p>
<ul>${what}</ul>
${form(view, { action: REVERT, submit: text.submit, look: 'danger', fields })}
${isDead ? html`<p class="after">${text.dead} <a href="${FORGOT_PASSWORD}">${text.forgotten}</a></p>` : NO_HTML}`;
      return layout(view, { title, body });
    },
    form: {
      schema: LinkForm,
      keeps: ['token'],
      limit: 'sign_in',
      limitAs: 'revertEmail',
      async send({ view, form: { token } }) {
        const reset = await revertEmailChange(deps, readToken(view, REVERT, token));
        view.keepToken(RESET, reset.token);
        return seeOther(`${REVERT}?done=reverted`);
      },
    },
  });
}

/** Says that the address is back, with the form for the new password while this browser keeps the token for it. */
function reverted(view: View): Html {
  const { reverted: text, next, forgotten } = view.text.revertEmail;
  const token = view.keptToken(RESET);
  return html`${done(text)}<p>${next}</p>
${token !== null && newPasswordForm(view, token)}
<p class="after"><a href="${FORGOT_PASSWORD}">${forgotten}</a></p>`;
}

function refusal(view: View, attempt: Attempt): Html {
  if (attempt.problem?.code !== 'email_taken') return wrong(view, attempt);
  const { title } = view.text.problems.email_taken;
  return html`<div class="notice bad" role="alert"><strong>${title}.</strong> ${view.text.revertEmail.taken}</div>`;
}
