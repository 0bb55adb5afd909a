// The pages to sign in and to register with a password.
import { z } from 'zod';
import { problem } from '../../base/errors/problem.ts';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { page, seeOther, visitor } from '../../base/http/page.ts';
import { Secret } from '../../base/http/wire.ts';
import { done, remark, wrong } from '../../base/page-kit/blocks.ts';
import { type Attempt, field, form, hidden } from '../../base/page-kit/form.ts';
import { type Html, html } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { OrganizationName } from '../../directory/organizations/schema.ts';
import { Email, UserName } from '../../directory/users/schema.ts';
import { onTheWayTo, Target, targetOf } from '../browser/continue.ts';
import { type BrowserDeps, HOME, SIGN_IN, signInBrowser } from '../browser/cookie.ts';
import { type RequestRegistrationDeps, requestRegistration } from '../registration/request-registration.ts';
import { type LoginDeps, login } from './login.ts';
import { type RegisterDeps, register } from './register.ts';
import { Login } from './schema.ts';

export interface PasswordPageDeps extends BrowserDeps, LoginDeps, RegisterDeps, RequestRegistrationDeps {}

/** The page to register. The browser keeps the id of its registration under this path. */
export const REGISTER = '/register';
/** The page on which people prove an e-mail. */
export const VERIFY = '/verify-email';
/** The page on which people say that they have forgotten the password. */
export const FORGOT_PASSWORD = '/forgot-password';
const Notice = z.enum(['signed-out', 'ended']);

const SignInForm = z.strictObject({ email: Login.shape.email, password: Secret, return_to: Target.optional() });
const RegisterForm = z.strictObject({
  name: UserName,
  email: Email,
  password: Secret,
  organizationName: OrganizationName.optional(),
  return_to: Target.optional(),
});

export function passwordPages(deps: PasswordPageDeps): Endpoint[] {
  return [...signInPage(deps), ...registerPage(deps)];
}

function signInPage(deps: PasswordPageDeps): Endpoint[] {
  return page({
    url: SIGN_IN,
    access: visitor(),
    name: 'SignIn',
    summary: 'Sign in with e-mail and password',
    query: z.object({ return_to: Target.optional(), notice: Notice.optional() }),
    show(input) {
      const { view, caller, attempt, query } = input;
      const target = targetOf(deps, input);
      // With an application to continue at, the person signs in again, because the session of the application may have
      // ended.
      if (caller && !target && !attempt.problem) return seeOther(HOME);
      const notice = attempt.problem ? undefined : query.notice;
      return layout(view, {
        title: view.text.signIn.title,
        body: html`${wrong(view, attempt)}${noticeOf(view, notice)}${signInForm(view, attempt, target)}
<p class="after"><a href="${FORGOT_PASSWORD}">${view.text.signIn.forgotten}</a></p>
${deps.registrationMode !== 'closed' && registerLink(view, target)}`,
      });
    },
    form: {
      schema: SignInForm,
      keeps: ['email', 'return_to'],
      limit: 'sign_in',
      limitAs: 'login',
      send({ form: { email, password, return_to: returnTo }, caller, request, answer }) {
        const limitOrganization = (named: string) => request.draw('organization', named);
        const asked = { email, password, organization: [], address: request.network, limitOrganization };
        return signInBrowser(deps, { caller, request, answer, returnTo }, (device) =>
          login(deps, { ...asked, device }),
        );
      },
    },
  });
}

function noticeOf(view: View, notice: z.output<typeof Notice> | undefined): Html | null {
  if (notice === 'signed-out') return done(view.text.signIn.signedOut);
  return notice === 'ended' ? remark(view.text.signIn.ended) : null;
}

function signInForm(view: View, attempt: Attempt, target: URL | null): Html {
  const { email, password, submit, continueTo } = view.text.signIn;
  const fields = html`${target && target.origin !== view.kit.origin && html`<p>${continueTo(target.host)}</p>`}
${hidden('return_to', target?.href)}
${field(view, attempt, { name: 'email', label: email, type: 'email', autocomplete: 'username' })}
${field(view, attempt, { name: 'password', label: password, type: 'password', autocomplete: 'current-password' })}`;
  return form(view, { action: SIGN_IN, submit, fields });
}

function registerLink(view: View, target: URL | null): Html {
  const { noAccount, register: link } = view.text.signIn;
  return html`<p class="after">${noAccount} <a href="${onTheWayTo(target, REGISTER)}">${link}</a></p>`;
}

function registerPage(deps: PasswordPageDeps): Endpoint[] {
  return page({
    url: REGISTER,
    access: visitor(),
    name: 'Register',
    summary: 'Create an account, optionally with an organization',
    query: z.object({ return_to: Target.optional() }),
    show(input) {
      const { view, caller, attempt } = input;
      if (deps.registrationMode === 'closed') throw problem('registration_closed');
      const target = targetOf(deps, input);
      if (caller && !target && !attempt.problem) return seeOther(HOME);
      const { title, hasAccount, signIn } = view.text.register;
      return layout(view, {
        title,
        body: html`${wrong(view, attempt)}${registerForm(view, attempt, target)}
<p class="after">${hasAccount} <a href="${onTheWayTo(target, SIGN_IN)}">${signIn}</a></p>`,
      });
    },
    form: {
      schema: RegisterForm,
      keeps: ['name', 'email', 'organizationName', 'return_to'],
      limit: 'sign_in',
      limitAs: 'register',
      async send({ view, form: sent, caller, request, answer }) {
        const { name, email, password, organizationName = null, return_to: returnTo } = sent;
        const asked = { name, email, password, organizationName, organizationSlug: null, locale: view.language };
        if (deps.registrationMode === 'verified') {
          const id = await requestRegistration(deps, { ...asked, network: request.network });
          view.keepToken(REGISTER, id);
          const target = deps.returnTo(returnTo);
          return seeOther(
            `${VERIFY}?${new URLSearchParams({ done: 'registered', ...(target && { return_to: target.href }) })}`,
          );
        }
        return signInBrowser(deps, { caller, request, answer, returnTo }, (device) =>
          register(deps, { ...asked, device }),
        );
      },
    },
  });
}

function registerForm(view: View, attempt: Attempt, target: URL | null): Html {
  const text = view.text.register;
  const fields = html`${hidden('return_to', target?.href)}
${field(view, attempt, { name: 'name', label: text.name, autocomplete: 'name' })}
${field(view, attempt, { name: 'email', label: text.email, type: 'email', autocomplete: 'username', codes: ['email_taken'] })}
${field(view, attempt, {
  name: 'password',
  label: text.password,
  type: 'password',
  autocomplete: 'new-password',
  hint: text.passwordHint,
})}
${field(view, attempt, {
  name: 'organizationName',
  label: text.organization,
  autocomplete: 'organization',
  hint: text.organizationHint,
  isOptional: true,
  codes: ['slug_taken'],
})}`;
  return form(view, { action: REGISTER, submit: text.submit, fields });
}
