// An application on the pages of Tenantry: it has no form for a password. It sends people to /sign-in of Tenantry,
// which sets the cookie with the refresh token, and gets access tokens by that cookie. People look after their account
// at Tenantry.
import { facts, h, link, show } from '../shared/dom.mjs';
import { form, refusal } from '../shared/form.mjs';
import { again } from '../shared/router.mjs';
import { run } from '../shared/run.mjs';
import { call, session, signOut, switchTo } from '../shared/session.mjs';

const TENANTRY = document.querySelector('meta[name=tenantry]').content;
const PAGES = { '/': homePage, '/deals': dealsPage };

/** The page where people sign in. They come back to the page of this application that is open now. */
function signInAddress(page = '/sign-in') {
  const target = `${location.origin}${location.pathname}${location.search}`;
  return `${TENANTRY}${page}?${new URLSearchParams({ return_to: target })}`;
}

async function welcomePage() {
  return {
    title: 'Deals',
    content: [
      h('p', {}, h('a', { href: signInAddress() }, 'Sign in')),
      h('p', {}, 'No account? ', h('a', { href: signInAddress('/register') }, 'Register')),
    ],
  };
}

/** Reads the API with the access token, which only this script has. */
async function homePage() {
  const { data: me } = await call('GET', '/me');
  const { data: mine } = await call('GET', '/me/organizations?limit=100');
  return {
    title: 'Your account',
    content: [
      facts([
        ['Name', me.name],
        ['E-mail', me.email],
        ['Works in', me.organization?.name ?? 'no organization'],
        ['Roles', me.roles.join(', ') || 'none'],
      ]),
      h('p', {}, h('a', { href: `${TENANTRY}/account` }, 'Change your account, your password or your e-mail')),
      h('h2', {}, 'Your organizations'),
      mine.length === 0 ? h('p', {}, 'You have none yet.') : h('ul', {}, mine.map(organizationItem)),
    ],
  };
}

function organizationItem({ organization }) {
  if (session().organization?.id === organization.id) return h('li', {}, `${organization.name} (you work in it)`);
  const send = async () => {
    await switchTo(organization.id);
    await again();
  };
  return h('li', {}, organization.name, form({ submit: `Switch to ${organization.name}`, send }));
}

async function dealsPage() {
  const { organization } = session();
  const words = organization ? `The deals of ${organization.name} would be here.` : 'Choose an organization first.';
  return { title: 'Deals', content: [h('p', {}, words)] };
}

async function missingPage() {
  return { title: 'Page not found', content: [h('p', {}, link('/', 'Go to the start'))] };
}

function pageFor(path) {
  if (!Object.hasOwn(PAGES, path)) return missingPage;
  return session() ? PAGES[path] : welcomePage;
}

function showBar(signed) {
  const leave = async () => {
    await signOut().catch((problem) => document.querySelector('#page').prepend(refusal(problem)));
  };
  const tabs = h('nav', { 'aria-label': 'Deals' }, link('/', 'Account'), link('/deals', 'Deals'));
  const button = h('button', { type: 'button', onclick: leave }, 'Sign out');
  show(document.querySelector('#bar'), signed ? [tabs, button] : [link('/', 'Deals')]);
}

await run({ pageFor, showBar, needsSession: () => true });
