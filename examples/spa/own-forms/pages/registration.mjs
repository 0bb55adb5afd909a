// A registration whose mailbox is not proven yet (REGISTRATION_MODE=verified). Its account exists once the person has
// typed the code of the mail here, or has opened its link. Until then nobody is signed in.
import { done, h, link } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { go } from '../../shared/router.mjs';
import { call, signInBy } from '../../shared/session.mjs';

/** The registration of this tab that waits for its proof: its id and its e-mail. It is in memory only. */
let waiting = null;

/** Registers, and opens the next page: the account, or the page that asks for the code of the mail. */
export async function register(values) {
  const { registrationId } = await signInBy('/auth/register', values);
  if (registrationId === undefined) return go('/');
  waiting = { registrationId, email: values.email };
  return go('/verify-email');
}

/** Whether a registration of this tab waits for its proof. */
export function isWaiting() {
  return waiting !== null;
}

/** Forgets the registration, whose account exists now, and opens the page for signing in. */
export async function registered() {
  waiting = null;
  await go('/sign-in');
  document.querySelector('h1').after(done('Your e-mail is proven. Sign in.'));
}

/** The form for the code of the mail. The answer to a registration never says whether the e-mail has an account. */
export function waitingForms() {
  const { registrationId, email } = waiting;
  const send = async (values) => {
    await call('POST', '/auth/verify-email', { ...values, registrationId });
    await registered();
  };
  const code = { name: 'code', label: 'Code of the mail', autocomplete: 'one-time-code' };
  return [
    h('p', {}, `Look into your mail: a mail was sent to ${email}. Open its link, or type its code here.`),
    form({ fields: [{ ...code, codes: ['invalid_or_expired_token'] }], submit: 'Prove my e-mail', send }),
    h('p', {}, 'No mail, or no code in it? ', link('/register', 'Register again'), ' or ', link('/sign-in', 'sign in')),
  ];
}
