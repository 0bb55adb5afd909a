// The pages for a forgotten password: one requests the mail, and the other one takes its link or its code with the new
// password.
import { z } from 'zod';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { page, seeOther, visitor } from '../../base/http/page.ts';
import { Secret } from '../../base/http/wire.ts';
import { done, remark, wrong } from '../../base/page-kit/blocks.ts';
import { type Attempt, FRESH, field, form } from '../../base/page-kit/form.ts';
import { type Html, html } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { linkField, PastedLink, readToken, tokenField } from '../../base/page-kit/link.ts';
import { CodeText } from '../../credentials/one-time/schema.ts';
import { Email } from '../../directory/users/schema.ts';
import { SIGN_IN } from '../browser/cookie.ts';
import { FORGOT_PASSWORD } from '../password/pages.ts';
import { requestReset } from './request-reset.ts';
import { resetPassword } from './reset-password.ts';
import type { ForgottenPasswordDeps } from './routes.ts';
import { ForgotPassword } from './schema.ts';

export const RESET = '/reset-password';
const BY_CODE = `${RESET}?with=code`;

// The form has either the link or the address with the code.
const ResetForm = z
  .strictObject({
    token: PastedLink.optional(),
    email: Email.optional(),
    code: CodeText.optional(),
    password: Secret,
  })
  .refine(({ token, code }) => token !== undefined || code !== undefined, { path: ['token'], message: 'is required' })
  .refine(({ email, code }) => code === undefined || email !== undefined, { path: ['email'], message: 'is required' });

export function forgottenPasswordPages(deps: ForgottenPasswordDeps): Endpoint[] {
  return [...forgotPage(deps), ...resetPage(deps)];
}

function forgotPage(deps: ForgottenPasswordDeps): Endpoint[] {
  return page({
    url: FORGOT_PASSWORD,
    access: visitor(),
    name: 'ForgotPassword',
    summary: 'Request a mail with a link and a code for a new password',
    show({ view, attempt }) {
      const { title, intro, email, submit, haveCode, signIn } = view.text.forgotPassword;
      const fields = field(view, attempt, { name: 'email', label: email, type: 'email', autocomplete: 'username' });
      const body = html`${wrong(view, attempt)}<p>${intro}</p>
${form(view, { action: FORGOT_PASSWORD, submit, fields })}
<p class="after"><a href="${BY_CODE}">${haveCode}</a></p>
<p class="after"><a href="${SIGN_IN}">${signIn}</a></p>`;
      return layout(view, { title, body });
    },
    form: {
      schema: ForgotPassword,
      keeps: ['email'],
      limit: 'sign_in',
      limitAs: 'forgotPassword',
      async send({ form: { email }, request: { network } }) {
        await requestReset(deps, { email, network });
        return seeOther(`${BY_CODE}&notice=sent`);
      },
    },
  });
}

function resetPage(deps: ForgottenPasswordDeps): Endpoint[] {
  return page({
    url: RESET,
    access: visitor(),
    name: 'ResetPassword',
    summary: 'Set a new password with the link or the code of a mail',
    query: z.object({ with: z.literal('code').optional(), notice: z.enum(['sent', 'changed']).optional() }),
    show({ view, attempt, query }) {
      const text = view.text.resetPassword;
      const { title } = text;
      const notice = attempt.problem ? undefined : query.notice;
      if (notice === 'changed') {
        const next = html`<p class="after"><a href="${SIGN_IN}">${text.signIn}</a></p>`;
        return layout(view, { title, body: html`${done(text.changed)}${next}` });
      }
      const isByCode = attempt.problem ? attempt.typed.code !== undefined : query.with === 'code';
      const body = html`${wrong(view, attempt)}${notice === 'sent' && remark(text.sent)}
${resetForm(view, attempt, isByCode)}
<p class="after"><a href="${isByCode ? RESET : BY_CODE}">${isByCode ? text.useLink : text.useCode}</a></p>
<p class="after"><a href="${FORGOT_PASSWORD}">${text.again}</a></p>`;
      return layout(view, { title, body });
    },
    form: {
      schema: ResetForm,
      keeps: ['token', 'email', 'code'],
      limit: 'sign_in',
      limitAs: 'resetPassword',
      async send({ view, form: { token, email, code = '', password }, request: { network } }) {
        const proof = email === undefined ? { token: readToken(view, RESET, token ?? '') } : { email, code };
        await resetPassword(deps, { proof, password, locale: view.language, network });
        return seeOther(`${RESET}?notice=changed`);
      },
    },
  });
}

function resetForm(view: View, attempt: Attempt, isByCode: boolean): Html {
  const text = view.text.resetPassword;
  const codes = ['invalid_or_expired_token'] as const;
  const proof = isByCode
    ? html`${field(view, attempt, { name: 'email', label: text.email, type: 'email', autocomplete: 'username' })}
${field(view, attempt, {
  name: 'code',
  label: text.code,
  autocomplete: 'one-time-code',
  hint: text.codeHint,
  codes,
})}`
    : linkField(view, attempt, { path: RESET, codes });
  return form(view, { action: RESET, submit: text.submit, fields: html`${proof}${passwordField(view, attempt)}` });
}

/** The form for a new password on a page that has the token. If it is refused, the page for resets shows it again. */
export function newPasswordForm(view: View, token: string): Html {
  const fields = html`${tokenField(token)}${passwordField(view, FRESH)}`;
  return form(view, { action: RESET, submit: view.text.resetPassword.submit, fields });
}

function passwordField(view: View, attempt: Attempt): Html {
  return field(view, attempt, {
    name: 'password',
    label: view.text.resetPassword.password,
    type: 'password',
    autocomplete: 'new-password',
    hint: view.text.register.passwordHint,
  });
}
