// Shows a page for each path, without loading the document again.
import { show } from './dom.mjs';
import { refusal } from './form.mjs';
import { Problem } from './session.mjs';

/** The tokens of links by their path. They are in memory only. */
const tokens = new Map();

/**
 * The token of the link that led to this path; null without one. It is taken out of the address, so that neither the
 * history nor a copied address has it, and kept for a person who first has to sign in.
 */
export function tokenOf(path) {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token !== null) {
    history.replaceState(null, '', location.pathname + location.search);
    tokens.set(path, token);
  }
  return tokens.get(path) ?? null;
}

/** Forgets the token of a path, which was used. */
export function forgetToken(path) {
  tokens.delete(path);
}

/** The page, or why it cannot be shown. */
async function explained(page) {
  try {
    return await page();
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    return { title: 'That did not work', content: [refusal(problem)] };
  }
}

let present = () => undefined;

/** Opens a page of this application. */
export function go(path) {
  history.pushState(null, '', path);
  return present();
}

/** Shows the page of the current path again. */
export function again() {
  return present();
}

/**
 * Starts with the current path. `pageFor` returns the function that makes the page of a path: its title and its
 * content.
 */
export function start(pageFor) {
  const main = document.querySelector('#page');
  let turn = 0;
  present = async () => {
    turn += 1;
    const mine = turn;
    const { title, content } = await explained(pageFor(location.pathname));
    if (mine !== turn) return; // a later page was opened while this one was loading
    document.title = `${title} – Deals`;
    const heading = document.createElement('h1');
    heading.append(title);
    show(main, heading, ...content);
    main.focus();
  };
  addEventListener('popstate', () => present());
  addEventListener('hashchange', () => present()); // the link of another mail, opened in this tab
  document.addEventListener('click', (event) => {
    const anchor = event.target.closest?.('a[href]');
    const isPlain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
    if (!anchor || anchor.origin !== location.origin || anchor.download || !isPlain) return;
    event.preventDefault();
    go(anchor.pathname + anchor.search);
  });
  return present();
}
