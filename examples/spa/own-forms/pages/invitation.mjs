// Accepting an invitation: with one's own account, or by registering. The e-mail is that of the invitation, and the
// token proves that the mailbox is the person's.
import { h, link } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { forgetToken, go, tokenOf } from '../../shared/router.mjs';
import { session, signInBy, signOut } from '../../shared/session.mjs';

const PATH = '/invitations/accept';

export async function invitationPage() {
  const token = tokenOf(PATH);
  const title = 'Accept an invitation';
  if (token === null) return { title, content: [h('p', {}, 'Open the link of the mail.')] };
  return { title, content: session() ? asUser(token) : asNewcomer(token) };
}

async function joined() {
  forgetToken(PATH);
  await go('/organizations');
}

function asUser(token) {
  const { email } = session().user;
  const send = async () => {
    await signInBy('/invitations/accept', { token });
    await joined();
  };
  const leave = async () => {
    await signOut();
    await go(PATH);
  };
  return [
    h('p', {}, `You are signed in as ${email}.`),
    form({ submit: 'Accept the invitation', send }),
    h('p', {}, 'Is the invitation for another e-mail? ', h('button', { type: 'button', onclick: leave }, 'Sign out')),
  ];
}

function asNewcomer(token) {
  const send = async (values) => {
    await signInBy('/invitations/accept', { ...values, token });
    await joined();
  };
  const fields = [
    { name: 'name', label: 'Name', autocomplete: 'name' },
    { name: 'password', label: 'Password', type: 'password', autocomplete: 'new-password' },
  ];
  return [
    h('p', {}, 'Do you have an account with the invited e-mail? ', link('/sign-in', 'Sign in first')),
    form({ fields, submit: 'Create the account and join', send }),
  ];
}
