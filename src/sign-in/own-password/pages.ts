// The page on which people change their password, and the address at which password managers look for it
// (https://www.w3.org/TR/change-password-url/).
import { z } from 'zod';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { browser, page, seeOther, visitor } from '../../base/http/page.ts';
import { done, remark, wrong } from '../../base/page-kit/blocks.ts';
import { field, form } from '../../base/page-kit/form.ts';
import { html } from '../../base/page-kit/html.ts';
import { accountPage, PASSWORD } from '../account/frame.ts';
import { type ChangePasswordDeps, changePassword } from './change-password.ts';
import { ChangePassword } from './schema.ts';

export function ownPasswordPages(deps: ChangePasswordDeps): Endpoint[] {
  return [
    ...passwordPage(deps),
    ...page({
      url: '/.well-known/change-password',
      access: visitor(),
      name: 'ChangePasswordUrl',
      summary: 'Go to the page on which people change their password',
      show: () => seeOther(PASSWORD),
    }),
  ];
}

function passwordPage(deps: ChangePasswordDeps): Endpoint[] {
  return page({
    url: PASSWORD,
    access: browser(),
    name: 'Password',
    summary: 'Change the password of the signed-in user',
    query: z.object({ done: z.enum(['changed']) }),
    show({ view, attempt, query }) {
      const { title, intro, current, next, submit, changed, forgotten } = view.text.ownPassword;
      const fields = html`${field(view, attempt, {
        name: 'currentPassword',
        label: current,
        type: 'password',
        autocomplete: 'current-password',
        codes: ['wrong_password'],
      })}
${field(view, attempt, {
  name: 'newPassword',
  label: next,
  type: 'password',
  autocomplete: 'new-password',
  hint: view.text.register.passwordHint,
  codes: ['password_unchanged'],
})}`;
      const notice = query.done === 'changed' && !attempt.problem ? done(changed) : remark(intro);
      const body = html`${wrong(view, attempt)}${notice}
${form(view, { action: PASSWORD, submit, fields })}
<p class="after"><a href="/forgot-password">${forgotten}</a></p>`;
      return accountPage(view, PASSWORD, { title, body });
    },
    form: {
      schema: ChangePassword,
      keeps: [],
      limit: 'sign_in',
      limitAs: 'changeMyPassword',
      async send({ caller, form: typed, request: { network } }) {
        await changePassword(deps, caller, { ...typed, network });
        return seeOther(`${PASSWORD}?done=changed`);
      },
    },
  });
}
