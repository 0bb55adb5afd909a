// The page on which people accept an invitation. It shows an invitation only to a browser that has brought its token,
// and the forms of its steps act with the token of the invitation that was shown.
import { z } from 'zod';
import { invalid, Problem } from '../../base/errors/problem.ts';
import type { Endpoint } from '../../base/http/endpoint.ts';
import { page, type Redirect, seeOther, visitor } from '../../base/http/page.ts';
import { Secret } from '../../base/http/wire.ts';
import type { Attempt } from '../../base/page-kit/form.ts';
import type { View } from '../../base/page-kit/kit.ts';
import { PastedLink, readToken } from '../../base/page-kit/link.ts';
import { UserName } from '../../directory/users/schema.ts';
import type { Caller } from '../../protocol/caller.ts';
import { onTheWayTo, Target, targetOf } from '../browser/continue.ts';
import { type BrowserDeps, HOME, signInBrowser, signOutBrowser } from '../browser/cookie.ts';
import type { Refresh, RefreshDeps } from '../sessions/refresh.ts';
import { acceptAsUser, acceptByRegistering, type JoinDeps } from './accept-invitation.ts';
import { ACCEPT, arrivalPage, deadPage, offerPage } from './offer-view.ts';
import { readOffer } from './read-offer.ts';

export interface AcceptPageDeps extends BrowserDeps, JoinDeps, RefreshDeps {}

/** Without a step, the form brings the token of a link. */
const AcceptForm = z.strictObject({
  token: PastedLink,
  step: z.enum(['accept', 'register', 'sign-out']).optional(),
  name: UserName.optional(),
  password: Secret.optional(),
  return_to: Target.optional(),
});

export function acceptPages(deps: AcceptPageDeps): Endpoint[] {
  return page({
    url: ACCEPT,
    access: visitor(),
    name: 'AcceptInvitation',
    summary: 'Read an invitation, and accept it with the account of the browser or with a new one',
    query: z.object({ return_to: Target.optional() }),
    async show(input) {
      const { view, caller, attempt, answer } = input;
      const target = targetOf(deps, input);
      const token = tokenOf(view, attempt);
      if (token === null) return arrivalPage(view, attempt, target);
      const found = attempt.problem?.code === 'invitation_invalid' ? null : await findOffer(deps, caller, token);
      if (found) return offerPage(view, attempt, { ...found, token, target });
      if (view.keptToken(ACCEPT) === token) view.forgetToken();
      answer.status(410);
      return deadPage(view, target);
    },
    form: {
      schema: AcceptForm,
      keeps: ['token', 'step', 'name', 'return_to'],
      limit: 'sign_in',
      limitAs: 'acceptInvitation',
      send: (input) => takeStep(deps, input),
    },
  });
}

/** The token of the form that was sent, or the one that the browser keeps. Null without a token. */
function tokenOf(view: View, { typed, problem }: Attempt): string | null {
  if (!problem) return view.keptToken(ACCEPT);
  try {
    return readToken(view, ACCEPT, typed.token ?? '');
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

async function findOffer(deps: AcceptPageDeps, caller: Caller | null, token: string) {
  try {
    return await readOffer(deps, caller, token);
  } catch (error) {
    if (error instanceof Problem && error.code === 'invitation_invalid') return null;
    throw error;
  }
}

type Sent = Pick<Parameters<typeof signInBrowser>[1], 'caller' | 'request' | 'answer'> & {
  readonly view: View;
  readonly form: z.output<typeof AcceptForm>;
};

async function takeStep(deps: AcceptPageDeps, input: Sent): Promise<Redirect> {
  const { view, form, caller, request, answer } = input;
  const token = readToken(view, ACCEPT, form.token);
  if (form.step === 'register') {
    const { name, password, return_to: returnTo } = form;
    if (name === undefined) throw invalid('name', 'is required');
    if (password === undefined) throw invalid('password', 'is required');
    const continued = await signInBrowser(deps, { caller, request, answer, returnTo }, (device) =>
      acceptByRegistering(deps, { token, tenants: [], email: null, name, password, locale: view.language, device }),
    );
    view.forgetToken();
    return continued;
  }
  const target = deps.returnTo(form.return_to);
  if (form.step === 'accept' && caller) {
    const limitRefresh: Refresh['limitRefresh'] = (_session, _organization, work) => work(); // nothing is refreshed
    await acceptAsUser(deps, caller, {
      token,
      tenants: [],
      refreshToken: null,
      network: request.network,
      limitRefresh,
    });
    view.forgetToken();
    return seeOther(target?.href ?? HOME);
  }
  await readOffer(deps, caller, token); // raises an error for a token that cannot be used
  if (form.step === 'sign-out' && caller) await signOutBrowser(deps, { caller, request, answer });
  view.keepToken(ACCEPT, token);
  return seeOther(onTheWayTo(target, ACCEPT));
}
