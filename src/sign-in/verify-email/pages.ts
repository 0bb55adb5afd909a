// The page that proves an address: by the link of a mail, or by its code for people who are signed in. The forms for a
// link act with the token that the page has shown, and opening the link uses nothing up. A person who has just
// registered types the code here, too: the browser keeps the id of the registration.
import { z } from 'zod';
import { invalid, Problem } from '../../base/errors/problem.ts';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { page, type Redirect, seeOther, visitor } from '../../base/http/page.ts';
import { Id, Secret } from '../../base/http/wire.ts';
import { done, wrong } from '../../base/page-kit/blocks.ts';
import { type Attempt, FRESH, field, form, hidden } from '../../base/page-kit/form.ts';
import { type Html, html } from '../../base/page-kit/html.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { linkForm, PastedLink, readToken, tokenField } from '../../base/page-kit/link.ts';
import { CodeText } from '../../credentials/one-time/schema.ts';
import type { Caller } from '../../protocol/caller.ts';
import { NIL_ID } from '../../protocol/id.ts';
import { onTheWayTo, Target, targetOf } from '../browser/continue.ts';
import { type BrowserDeps, HOME, SIGN_IN } from '../browser/cookie.ts';
import { REGISTER, VERIFY } from '../password/pages.ts';
import { requestVerifyMail, type VerifyDeps, verifyAsUser, verifyByMailbox, verifyByPassword } from './verify-email.ts';
import { isRegistrationToken, verifyRegistrationByCode } from './verify-registration.ts';

export interface VerifyPageDeps extends VerifyDeps, BrowserDeps {}

const REFUSED = ['invalid_or_expired_token'] as const;

/** Without a step, the form brings the token of a link. */
const VerifyForm = z.strictObject({
  token: PastedLink.optional(),
  step: z.enum(['confirm', 'password', 'claim', 'code', 'resend', 'registration']).optional(),
  password: Secret.optional(),
  newPassword: Secret.optional(),
  code: CodeText.optional(),
  registrationId: Id.optional(),
  return_to: Target.optional(),
});

export function verifyPages(deps: VerifyPageDeps): Endpoint[] {
  return page({
    url: VERIFY,
    access: visitor(),
    name: 'VerifyEmail',
    summary: 'Prove an e-mail by the link or the code of a mail',
    query: z.object({ done: z.enum(['proven', 'sent', 'registered']), return_to: Target.optional() }),
    async show(input) {
      const { view, caller, attempt, query } = input;
      const { title } = view.text.verifyEmail;
      const target = targetOf(deps, input);
      if (query.done === 'proven' && !attempt.problem) return layout(view, { title, body: provenText(view, target) });
      const registered = registrationOf(view, attempt, query.done);
      if (registered) {
        return layout(view, {
          title,
          body: html`${wrong(view, attempt)}${registeredForms(view, attempt, registered, target)}`,
        });
      }
      const isDead = attempt.problem?.code === 'invalid_or_expired_token';
      if (isDead) view.forgetToken();
      const token = isDead ? null : tokenOf(view, attempt);
      const notice = query.done === 'sent' && !attempt.problem && done(view.text.verifyEmail.sent);
      const isNew = token !== null && !caller && (await isRegistrationToken(deps, token));
      const shown =
        token === null ? arrival(view, caller, attempt) : proofForms(view, caller, attempt, { token, isNew });
      return layout(view, { title, body: html`${wrong(view, attempt)}${notice}${shown}` });
    },
    form: {
      schema: VerifyForm,
      keeps: ['token', 'step', 'registrationId', 'return_to'],
      limit: 'sign_in',
      limitAs: 'verifyEmail',
      send: (input) => takeStep(deps, input),
    },
  });
}

/** The token of the form that was sent, or the one that the browser keeps. Null without a token. */
function tokenOf(view: View, { typed, problem }: Attempt): string | null {
  if (!problem || typed.token === undefined) return view.keptToken(VERIFY);
  try {
    return readToken(view, VERIFY, typed.token);
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

interface Sent {
  readonly view: View;
  readonly caller: Caller | null;
  readonly form: z.output<typeof VerifyForm>;
  readonly request: { readonly network: string };
}

async function takeStep(
  deps: VerifyPageDeps,
  { view, caller, form: sent, request: { network } }: Sent,
): Promise<Redirect> {
  const { step, code, password, newPassword, registrationId } = sent;
  if (step === 'registration') {
    if (code === undefined) throw invalid('code', 'is required');
    await verifyRegistrationByCode(deps, { registrationId: registrationId ?? NIL_ID, code });
    return proven(view, deps.returnTo(sent.return_to));
  }
  if (caller && step === 'resend') {
    await requestVerifyMail(deps, caller);
    return seeOther(`${VERIFY}?done=sent`);
  }
  if (caller && step === 'code') {
    if (code === undefined) throw invalid('code', 'is required');
    await verifyAsUser(deps, caller, { code });
    return proven(view);
  }
  const token = readToken(view, VERIFY, sent.token ?? '');
  if (caller && step === 'confirm') {
    await verifyAsUser(deps, caller, { token });
    return proven(view);
  }
  if (!caller && step === 'password') {
    if (password === undefined) throw invalid('password', 'is required');
    await verifyByPassword(deps, { token, password, network });
    return proven(view);
  }
  if (!caller && step === 'claim') {
    if (newPassword === undefined) throw invalid('newPassword', 'is required');
    await verifyByMailbox(deps, { token, newPassword, locale: view.language });
    return proven(view);
  }
  view.keepToken(VERIFY, token);
  return seeOther(VERIFY);
}

function proven(view: View, target: URL | null = null): Redirect {
  view.forgetToken();
  return seeOther(`${VERIFY}?${new URLSearchParams({ done: 'proven', ...(target && { return_to: target.href }) })}`);
}

function provenText(view: View, target: URL | null): Html {
  const { proven: text, toAccount, toSignIn } = view.text.verifyEmail;
  const way = view.isSignedIn ? HOME : onTheWayTo(target, SIGN_IN);
  return html`${done(text)}<p class="after"><a href="${way}">${view.isSignedIn ? toAccount : toSignIn}</a></p>`;
}

/** The id of the registration that this browser has just sent, or for which it has just sent a code. */
function registrationOf(view: View, { typed, problem }: Attempt, done: string | undefined): string | null {
  if (problem) return typed.step === 'registration' ? (typed.registrationId ?? null) : null;
  return done === 'registered' ? view.keptToken(REGISTER) : null;
}

function registeredForms(view: View, attempt: Attempt, id: string, target: URL | null): Html {
  const { registered, code, codeHint, confirm } = view.text.verifyEmail;
  const fields = html`${hidden('step', 'registration')}${hidden('registrationId', id)}${hidden('return_to', target?.href)}
${field(view, attempt, { name: 'code', label: code, hint: codeHint, autocomplete: 'one-time-code' })}`;
  return html`${!attempt.problem && done(registered)}
${form(view, { action: VERIFY, submit: confirm, fields })}
${linkForm(view, FRESH, { path: VERIFY })}
<p class="after"><a href="${onTheWayTo(target, REGISTER)}">${view.text.verifyEmail.registerAgain}</a></p>`;
}

function arrival(view: View, caller: Caller | null, attempt: Attempt): Html {
  const { intro, code, codeHint, confirm, resend } = view.text.verifyEmail;
  const step = (name: string, fields?: Html) => html`${hidden('step', name)}${fields}`;
  const isByCode = attempt.typed.step === 'code';
  const asked = field(view, attempt, {
    ...{ name: 'code', label: code, hint: codeHint, autocomplete: 'one-time-code' },
    codes: isByCode ? REFUSED : [],
  });
  return html`<p>${intro}</p>
${caller && form(view, { action: VERIFY, submit: confirm, fields: step('code', asked) })}
${linkForm(view, attempt, { path: VERIFY, codes: isByCode ? [] : REFUSED })}
${caller && form(view, { action: VERIFY, submit: resend, look: 'plain', fields: step('resend') })}`;
}

interface ShownLink {
  readonly token: string;
  /** Whether it is the link of a registration, which has no account yet. */
  readonly isNew: boolean;
}

function proofForms(view: View, caller: Caller | null, attempt: Attempt, { token, isNew }: ShownLink): Html {
  const text = { ...view.text.verifyEmail, ...(isNew && view.text.verifyEmail.ofRegistration) };
  const acting = (step: string) => html`${tokenField(token)}${hidden('step', step)}`;
  const another = html`<details class="after"><summary>${text.otherLink}</summary>
${linkForm(view, FRESH, { path: VERIFY })}
</details>`;
  if (caller) {
    return html`<p>${text.own}</p>
${form(view, { action: VERIFY, submit: text.confirm, fields: acting('confirm') })}${another}`;
  }
  const own = { name: 'password', label: text.password, type: 'password', autocomplete: 'current-password' } as const;
  const fresh = {
    name: 'newPassword',
    label: text.newPassword,
    type: 'password',
    autocomplete: 'new-password',
  } as const;
  const hint = view.text.register.passwordHint;
  const older = isNew && html`<p>${text.ofRegistration.older}</p>`;
  return html`<p>${text.byPassword}</p>
${older}
${form(view, { action: VERIFY, submit: text.confirm, fields: html`${acting('password')}${field(view, attempt, own)}` })}
<details class="after"${attempt.typed.step === 'claim' && html` open`}><summary>${text.notMe}</summary>
<p>${text.claim}</p>
${form(view, { action: VERIFY, submit: text.claimSubmit, look: 'danger', fields: html`${acting('claim')}${field(view, attempt, { ...fresh, hint })}` })}
</details>${another}`;
}
