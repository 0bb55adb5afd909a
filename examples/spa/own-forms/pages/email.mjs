// Changing the e-mail: the person asks for another one, and proves it by the code or the link of the mail to it.
import { done, facts, h, show } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { again } from '../../shared/router.mjs';
import { call, refresh, session } from '../../shared/session.mjs';

/** Without a password in the request, the service requires a fresh proof, for which `call` asks the person. */
export async function emailPage() {
  const said = h('div', {});
  const ask = async (values) => {
    await call('POST', '/me/email', values);
    show(said, done('A mail was sent to the new e-mail. Open its link, or type its code.'), codeForm());
  };
  const refused = ['email_unchanged', 'email_disputed'];
  const fields = [{ name: 'newEmail', label: 'New e-mail', type: 'email', autocomplete: 'email', codes: refused }];
  return {
    title: 'Your e-mail',
    content: [
      facts([['E-mail', session().user.email]]),
      h('p', {}, 'Nothing changes until you have proven the new e-mail.'),
      form({ fields, submit: 'Ask for the change', send: ask }),
      said,
    ],
  };
}

function codeForm() {
  const send = async (values) => {
    await call('POST', '/auth/confirm-email-change', values);
    await refresh(); // every older access token is refused now
    await again();
    document.querySelector('h1').after(done('Your e-mail was changed.'));
  };
  const code = { name: 'code', label: 'Code of the mail', autocomplete: 'one-time-code' };
  return form({ fields: [{ ...code, codes: ['invalid_or_expired_token'] }], submit: 'Change my e-mail', send });
}
