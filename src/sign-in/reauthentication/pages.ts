// The page that asks for the password again, before something sensitive on another page of the account.
import { z } from 'zod';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { browser, page, seeOther } from '../../base/http/page.ts';
import { Secret } from '../../base/http/wire.ts';
import { wrong } from '../../base/page-kit/blocks.ts';
import { field, form, hidden } from '../../base/page-kit/form.ts';
import { html } from '../../base/page-kit/html.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { HOME } from '../browser/cookie.ts';
import { type ReauthenticateDeps, reauthenticate } from './reauthenticate.ts';
import { ownPage, REAUTHENTICATE } from './return-path.ts';

const Target = z.string().max(2000);

export function reauthenticationPages(deps: ReauthenticateDeps): Endpoint[] {
  return page({
    url: REAUTHENTICATE,
    access: browser(),
    name: 'Reauthenticate',
    summary: 'Prove again who you are, and go back to a page of the account',
    query: z.object({ return_to: Target.optional() }),
    show({ view, attempt, query }) {
      const { title, intro, submit, forgotten } = view.text.reauthenticate;
      const target = ownPage(attempt.typed.return_to ?? query.return_to);
      const asked = { name: 'password', label: view.text.signIn.password, type: 'password' } as const;
      const codes = ['wrong_password'] as const;
      const fields = html`${hidden('return_to', target ?? undefined)}
${field(view, attempt, { ...asked, autocomplete: 'current-password', codes })}`;
      return layout(view, {
        title,
        body: html`${wrong(view, attempt)}<p>${intro}</p>
${form(view, { action: REAUTHENTICATE, submit, fields })}
<p class="after"><a href="/forgot-password">${forgotten}</a></p>`,
      });
    },
    form: {
      schema: z.strictObject({ password: Secret, return_to: Target.optional() }),
      keeps: ['return_to'],
      limit: 'sign_in',
      limitAs: 'reauthenticate',
      async send({ caller, form: { password, return_to: returnTo }, request: { network } }) {
        await reauthenticate(deps, caller, { password, network });
        return seeOther(ownPage(returnTo) ?? HOME);
      },
    },
  });
}
