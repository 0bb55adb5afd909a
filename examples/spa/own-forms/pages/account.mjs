// The account: who the person is, the name, the language of mails, and the password.
import { done, facts, h, link, show } from '../../shared/dom.mjs';
import { form } from '../../shared/form.mjs';
import { again } from '../../shared/router.mjs';
import { call, session, take } from '../../shared/session.mjs';

const LANGUAGES = [
  ['en', 'English'],
  ['pt', 'Português'],
  ['es', 'Español'],
];

export async function accountPage() {
  const { data: me } = await call('GET', '/me');
  return {
    title: 'Your account',
    content: [
      facts([
        ['E-mail', me.email],
        ['Works in', me.organization?.name ?? 'no organization'],
        ['Roles', me.roles.join(', ') || 'none'],
      ]),
      me.emailVerified ? h('p', {}, 'Your e-mail is proven.') : unproven(),
      h('h2', {}, 'Name and language'),
      profileForm(me),
      h('h2', {}, 'Change the password'),
      passwordForm(),
    ],
  };
}

function unproven() {
  const words = 'Your e-mail is not proven yet, so you cannot invite anybody. ';
  return h('div', { class: 'notice' }, words, link('/verify-email', 'Prove your e-mail'));
}

function profileForm({ name, locale }) {
  const languages = LANGUAGES.toSorted(([one], [other]) => Number(other === locale) - Number(one === locale));
  const send = async (values) => {
    const { data } = await call('PATCH', '/me', values);
    take({ data: { user: { ...session().user, name: data.name } } });
    await again();
    document.querySelector('h1').after(done('Your account was changed.'));
  };
  return form({
    fields: [
      { name: 'name', label: 'Name', autocomplete: 'name', value: name },
      { name: 'locale', label: 'Language of mails', options: languages },
    ],
    submit: 'Save',
    send,
  });
}

/** The answer has the access token that replaces the current one. All other sessions of the person end. */
function passwordForm() {
  const said = h('div', {});
  const shared = { type: 'password' };
  const current = { ...shared, name: 'currentPassword', label: 'Current password', autocomplete: 'current-password' };
  const next = { ...shared, name: 'newPassword', label: 'New password', autocomplete: 'new-password' };
  const send = async (values) => {
    take(await call('POST', '/me/password', values));
    show(said, done('The password was changed, and your other sessions have ended.'));
  };
  const fields = [
    { ...current, codes: ['wrong_password'] },
    { ...next, codes: ['password_unchanged'] },
  ];
  return h('div', {}, said, form({ fields, submit: 'Change the password', send }));
}
