// The pages before a session: sign in, register, and a forgotten password.
import { done, h, link } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { again, forgetToken, go, tokenOf } from '../../shared/router.mjs';
import { call, session, signInBy } from '../../shared/session.mjs';
import { register } from './registration.mjs';

const email = { name: 'email', label: 'E-mail', type: 'email', autocomplete: 'username', codes: ['email_taken'] };
const password = { name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' };
const newPassword = { ...password, label: 'New password', autocomplete: 'new-password' };
const choice = {
  ...password,
  autocomplete: 'new-password',
  hint: 'Several words that do not belong together are good.',
};

/**
 * Continues after a sign-in: with an invitation whose link was opened, or from the page for signing in with the start,
 * or else with the page that the person wanted.
 */
const afterSignIn = () => {
  if (tokenOf('/invitations/accept') !== null) return go('/invitations/accept');
  return location.pathname === '/sign-in' ? go('/') : again();
};

export async function signInPage() {
  const send = async (values) => {
    await signInBy('/auth/login', values);
    await afterSignIn();
  };
  return {
    title: 'Sign in',
    content: [
      form({ fields: [email, password], submit: 'Sign in', send }),
      h('p', {}, link('/forgot-password', 'Forgotten password?')),
      h('p', {}, 'No account? ', link('/register', 'Register')),
    ],
  };
}

export async function registerPage() {
  if (session()) return { title: 'Register', content: [h('p', {}, 'Sign out before you register another account.')] };
  const name = { name: 'name', label: 'Name', autocomplete: 'name' };
  const organization = {
    ...{ name: 'organizationName', label: 'Organization', autocomplete: 'organization', isOptional: true },
    ...{ hint: 'Leave it empty if you have an invitation.', codes: ['slug_taken'] },
  };
  return {
    title: 'Register',
    content: [
      form({ fields: [name, email, choice, organization], submit: 'Register', send: register }),
      h('p', {}, 'Do you have an account? ', link('/sign-in', 'Sign in')),
    ],
  };
}

export async function forgotPage() {
  const send = async (values) => {
    await call('POST', '/auth/forgot-password', values);
    await go('/reset-password');
  };
  return {
    title: 'Forgotten password',
    content: [
      h('p', {}, 'You get a mail with a link and a code, if there is an account with this e-mail.'),
      form({ fields: [email], submit: 'Send the mail', send }),
    ],
  };
}

/** With the token of the link there is one field. Without it, the person types the code of the mail. */
export async function resetPage() {
  const token = tokenOf('/reset-password');
  const code = { name: 'code', label: 'Code of the mail', autocomplete: 'one-time-code' };
  const send = async (values) => {
    await call('POST', '/auth/reset-password', token === null ? values : { ...values, token });
    forgetToken('/reset-password');
    await go('/sign-in');
    document.querySelector('h1').after(done('The password was changed. Sign in with it.'));
  };
  const fields = token === null ? [email, code, newPassword] : [newPassword];
  return {
    title: 'Set a new password',
    content: [
      token === null && h('p', {}, 'Open the link of the mail, or type its code. The mail may take a minute.'),
      form({ fields, submit: 'Set the password', send }),
      h('p', {}, link('/forgot-password', 'Send another mail')),
    ].filter(Boolean),
  };
}

/** The form for a new password, for a person who has just proven a mailbox. */
export function resetForm(resetToken) {
  const send = async (values) => {
    await call('POST', '/auth/reset-password', { ...values, token: resetToken });
    await go('/sign-in');
    document.querySelector('h1').after(done('The password was set. Sign in with it.'));
  };
  return form({ fields: [newPassword], submit: 'Set the password', send });
}
