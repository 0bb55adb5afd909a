// An application with forms of its own: every step of signing in and of one's own account is a page here, and calls the
// API of Tenantry. The links of mails lead to the paths below (PUBLIC_APP_URL).
import { h, link, show } from '../shared/dom.mjs';
import { form, refusal } from '../shared/form.mjs';
import { go } from '../shared/router.mjs';
import { run } from '../shared/run.mjs';
import { askPasswordBy, call, session, signOut, take } from '../shared/session.mjs';
import { accountPage } from './pages/account.mjs';
import { dataPage } from './pages/data.mjs';
import { devicesPage } from './pages/devices.mjs';
import { emailPage } from './pages/email.mjs';
import { forgotPage, registerPage, resetPage, signInPage } from './pages/entry.mjs';
import { invitationPage } from './pages/invitation.mjs';
import { confirmEmailPage, revertEmailPage } from './pages/links.mjs';
import { organizationsPage } from './pages/organizations.mjs';
import { verifyPage } from './pages/verify.mjs';

/** Everybody may open these pages. The links of mails lead to most of them. */
const OPEN = {
  '/sign-in': signInPage,
  '/register': registerPage,
  '/forgot-password': forgotPage,
  '/reset-password': resetPage,
  '/verify-email': verifyPage,
  '/revert-email': revertEmailPage,
  '/invitations/accept': invitationPage,
};
/** These are for people who are signed in. Other people sign in first. */
const OWN = {
  '/': accountPage,
  '/account/email': emailPage,
  '/confirm-email': confirmEmailPage,
  '/account/devices': devicesPage,
  '/organizations': organizationsPage,
  '/account/data': dataPage,
};
const NAMES = [
  ['/', 'Account'],
  ['/account/email', 'E-mail'],
  ['/account/devices', 'Devices'],
  ['/organizations', 'Organizations'],
  ['/account/data', 'Your data'],
];

function pageFor(path) {
  if (Object.hasOwn(OPEN, path)) return OPEN[path];
  if (!Object.hasOwn(OWN, path)) return missingPage;
  return session() ? OWN[path] : signInPage;
}

async function missingPage() {
  return { title: 'Page not found', content: [h('p', {}, link('/', 'Go to your account'))] };
}

function showBar(signed) {
  const bar = document.querySelector('#bar');
  if (!signed) return show(bar, link('/', 'Deals'), h('span', {}, link('/sign-in', 'Sign in')));
  const leave = async () => {
    await signOut().catch((problem) => show(document.querySelector('#page'), refusal(problem)));
    if (!session()) await go('/sign-in');
  };
  const tabs = NAMES.map(([path, name]) => link(path, name));
  return show(
    bar,
    h('nav', { 'aria-label': 'Account' }, tabs),
    h('button', { type: 'button', onclick: leave }, 'Sign out'),
  );
}

/** Asks for the password in a dialog, before something sensitive. */
function askPassword() {
  return new Promise((resolve) => {
    let isProven = false;
    const dialog = h('dialog', { 'aria-labelledby': 'again', onclose: () => finish() });
    const finish = () => {
      dialog.remove();
      resolve(isProven);
    };
    const proof = form({
      fields: [
        {
          name: 'password',
          label: 'Password',
          type: 'password',
          autocomplete: 'current-password',
          codes: ['wrong_password'],
        },
      ],
      submit: 'Continue',
      async send({ password }) {
        take(await call('POST', '/auth/reauthenticate', { password }));
        isProven = true;
        dialog.close();
      },
    });
    const cancel = h('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
    dialog.append(h('h2', { id: 'again' }, 'Enter your password again'), proof, cancel);
    document.body.append(dialog);
    dialog.showModal();
  });
}

askPasswordBy(askPassword);
await run({ pageFor, showBar, needsSession: () => Object.hasOwn(OWN, location.pathname) });
