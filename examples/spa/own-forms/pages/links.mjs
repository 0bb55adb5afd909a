// The links of the two mails about a change of the e-mail. Opening a link changes nothing. A button does, because
// programs that check mails also open links.
import { done, h, link, show } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { forgetToken, go, tokenOf } from '../../shared/router.mjs';
import { call, refresh, signedOut } from '../../shared/session.mjs';
import { resetForm } from './entry.mjs';

const missing = () => h('p', {}, 'Open the link of the mail. ', link('/', 'Go to your account'));

/** Only the account that asked for the change gets the new e-mail, so the person is signed in here. */
export async function confirmEmailPage() {
  const token = tokenOf('/confirm-email');
  const send = async () => {
    await call('POST', '/auth/confirm-email-change', { token });
    forgetToken('/confirm-email');
    await refresh(); // every older access token is refused now
    await go('/account/email');
    document.querySelector('h1').after(done('Your e-mail was changed.'));
  };
  const content = token === null ? missing() : form({ submit: 'Change my e-mail', send });
  return { title: 'Confirm the new e-mail', content: [content] };
}

export async function revertEmailPage() {
  const token = tokenOf('/revert-email');
  const place = h('div', {});
  const send = async () => {
    const { data } = await call('POST', '/auth/revert-email', { token });
    forgetToken('/revert-email');
    signedOut(); // every session has ended
    show(place, done('Your former e-mail is back. Set a new password now.'), resetForm(data.resetToken));
  };
  const words = 'Your former e-mail comes back, every session ends, and the account needs a new password.';
  if (token === null) show(place, missing());
  else show(place, h('p', {}, words), form({ submit: 'Take my e-mail back', look: 'danger', send }));
  return { title: 'Take an e-mail back', content: [place] };
}
