// The start page, which redirects to the account or to the sign-in, and the page to sign out.
import { z } from 'zod';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { browser, page, seeOther, visitor } from '../../base/http/page.ts';
import { confirm } from '../../base/page-kit/blocks.ts';
import { layout } from '../../base/page-kit/layout.ts';
import { type BrowserDeps, HOME, SIGN_IN, signOutBrowser } from './cookie.ts';

const SIGN_OUT = '/sign-out';

export function browserPages(deps: BrowserDeps): Endpoint[] {
  return [
    ...page({
      url: '/',
      access: visitor(),
      name: 'Start',
      summary: 'Go to the account, or sign in',
      show: ({ caller }) => seeOther(caller ? HOME : SIGN_IN),
    }),
    ...page({
      url: SIGN_OUT,
      access: browser(),
      name: 'SignOut',
      summary: 'Sign out',
      show({ view }) {
        const { title, question, submit } = view.text.signOut;
        return layout(view, { title, body: confirm(view, question, { action: SIGN_OUT, submit, back: HOME }) });
      },
      form: {
        schema: z.strictObject({}),
        keeps: [],
        send(input) {
          input.view.forgetToken();
          return signOutBrowser(deps, input);
        },
      },
    }),
  ];
}
