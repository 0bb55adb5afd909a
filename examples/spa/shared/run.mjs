// Runs an application: gets the session of the cookie, shows the bar and the page of the path, and follows the session.
import { refusal } from './form.mjs';
import { again, start } from './router.mjs';
import { onChange, refresh, session } from './session.mjs';

/**
 * `needsSession` says whether the page that is open now is only for people who are signed in. When the session ends,
 * here, in another tab or at Tenantry, such a page does not stay open.
 */
export async function run({ pageFor, showBar, needsSession }) {
  let wasSignedIn = false;
  onChange((signed) => {
    showBar(signed);
    const hasEnded = wasSignedIn && signed === null;
    wasSignedIn = signed !== null;
    if (hasEnded && needsSession()) void again();
  });
  // A person with a session in the cookie is signed in after this. Without one, the answer is 401, and the person sees
  // the page for signing in. Any other problem is shown.
  const problem = await refresh().then(
    () => null,
    (error) => error,
  );
  showBar(session());
  await start(pageFor);
  if (problem !== null && problem.code !== 'invalid_refresh_token') {
    document.querySelector('#page').prepend(refusal(problem));
  }
}
