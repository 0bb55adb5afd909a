// Proving an e-mail: by the link of the mail, with a click, or by its code for a person who is signed in or has just
// registered.
import { done, h, link, show } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { again, forgetToken, go, tokenOf } from '../../shared/router.mjs';
import { call, refresh, session } from '../../shared/session.mjs';
import { resetForm } from './entry.mjs';
import { isWaiting, registered, waitingForms } from './registration.mjs';

const PATH = '/verify-email';

export async function verifyPage() {
  const token = tokenOf(PATH);
  const content = session() ? ownForms(token) : linkForms(token);
  return { title: 'Prove your e-mail', content };
}

/**
 * Says that the e-mail is proven. The proof returns no access token, so a refresh gets what has changed, such as the
 * name.
 */
async function proven() {
  forgetToken(PATH);
  if (session()) await refresh();
  await go('/');
  document.querySelector('h1').after(done('Your e-mail is proven.'));
}

function ownForms(token) {
  const prove = (proof) => async (values) => {
    await call('POST', '/auth/verify-email', { ...values, ...proof });
    await proven();
  };
  if (token !== null) return [form({ submit: 'Prove my e-mail', send: prove({ token }) }), otherWay()];
  const code = { name: 'code', label: 'Code of the mail', autocomplete: 'one-time-code' };
  return [
    h('p', {}, `A mail with a link and a code was sent to ${session().user.email}.`),
    form({ fields: [{ ...code, codes: ['invalid_or_expired_token'] }], submit: 'Prove my e-mail', send: prove({}) }),
    resendForm(),
  ];
}

function otherWay() {
  const type = () => {
    forgetToken(PATH);
    return again();
  };
  return h('p', {}, h('button', { type: 'button', onclick: type }, 'Type the code, or ask for another mail'));
}

function resendForm() {
  const said = h('div', {});
  const send = async () => {
    await call('POST', '/auth/verify-email/resend');
    show(said, done('Another mail is on its way. Only the newest one works.'));
  };
  return h('div', {}, form({ submit: 'Send another mail', send }), said);
}

/**
 * Without a session, the password shows that the person who opens the link is the one who registered. A person without
 * the password takes the account over, and what its first holder left in it is removed.
 */
function linkForms(token) {
  if (token === null) {
    if (isWaiting()) return waitingForms();
    return [h('p', {}, 'Open the link of the mail, or ', link('/sign-in', 'sign in'), ' and type its code.')];
  }
  const known = { name: 'password', label: 'Your password', type: 'password', autocomplete: 'current-password' };
  const byPassword = async (values) => {
    await call('POST', '/auth/verify-email', { ...values, token });
    forgetToken(PATH);
    await registered();
  };
  const claimed = h('div', {});
  const claim = async () => {
    const { data } = await call('POST', '/auth/verify-email', { token });
    forgetToken(PATH);
    show(claimed, done('The e-mail is yours. Set a password for the account.'), resetForm(data.resetToken));
  };
  return [
    form({ fields: [{ ...known, codes: ['invalid_credentials'] }], submit: 'Prove my e-mail', send: byPassword }),
    h('h2', {}, 'Somebody else has registered my e-mail'),
    h('p', {}, 'Then take the account over. Everything that somebody else has left in it is deleted:'),
    h(
      'ul',
      {},
      h('li', {}, 'the name, the password and every session;'),
      h('li', {}, 'invitations and service clients;'),
      h('li', {}, 'organizations without another member.'),
    ),
    form({ submit: 'Take the account over', look: 'danger', send: claim }),
    claimed,
  ];
}
