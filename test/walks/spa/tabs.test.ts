// What session.mjs of the example applications does while the person changes: in another tab, during a request, or
// without a word from Tenantry's pages. The application with forms of its own is open in several tabs of one browser.
import type { Page, Route } from 'playwright-core';
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { fill } from '../../support/pages/filling.ts';
import { arrive, press, startExample } from './example.ts';
import { follow, PASSWORD, register, signIn } from './forms.ts';

const database = await createDatabase(t);
const { browser, url, tenantry, mail } = await startExample(t, 'own-forms', { DATABASE_URL: database.ownerUrl });
const opened = () => browser.open({ locale: 'en', baseURL: url });

/** Answers the next request to this path as for an access token that has expired. */
async function expireOnce(page: Page, path: string): Promise<void> {
  const headers = { 'access-control-allow-origin': url, 'access-control-allow-credentials': 'true' };
  const answer = (route: Route) => route.fulfill({ status: 401, headers, json: { code: 'token_expired' } });
  await page.route(`${tenantry}/api/v1${path}`, answer, { times: 1 });
}

t.test('a refresh that is answered after a sign-out signs nobody in again', async (t) => {
  const { page, context, faults } = await opened();
  for (const [where, email] of Object.entries({ here: 'ann@example.com', 'in another tab': 'bea@example.com' })) {
    await register(page, email, `Company of ${email}`);
    const second = await context.newPage();
    await second.goto('/');
    await arrive(second, 'Your account');
    const [asked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const holdBack = async (route: Route) => {
      const response = await route.fetch();
      asked.resolve();
      await released.promise;
      await route.fulfill({ response });
    };
    await page.route('**/auth/refresh', holdBack, { times: 1 });
    const outcome = page.evaluate(`(async () => {
      const { refresh, session } = await import('/shared/session.mjs');
      return [await refresh().then(() => 'refreshed', (problem) => problem.code), session()];
    })()`);
    await asked.promise;
    await press(where === 'here' ? page : second, 'button', 'Sign out');
    await arrive(page, 'Sign in');
    released.resolve();
    t.same(await outcome, ['person_changed', null], where);
    t.equal(await page.getByRole('button', { name: 'Sign out' }).count(), 0, where);
    await second.close();
  }
  t.same(faults, []);
  await context.close();
});

t.test('an invitation is accepted with an access token that has expired', async (t) => {
  const host = await opened();
  await register(host.page, 'cay@example.com', 'Analytical Engines');
  const guest = await opened();
  await register(guest.page, 'dot@example.com', 'Clocks');
  await database.query('UPDATE users SET email_verified_at = now()');
  await press(host.page, 'link', 'Organizations');
  await arrive(host.page, 'Your organizations');
  await fill(host.page, { 'E-mail': 'dot@example.com' });
  await press(host.page, 'button', 'Invite');
  const { link } = await mail('dot@example.com', '/invitations/accept');
  await follow(t, guest.page, link, 'Accept an invitation');
  await expireOnce(guest.page, '/invitations/accept');
  await press(guest.page, 'button', 'Accept the invitation');
  await arrive(guest.page, 'Your organizations');
  t.match(await guest.page.locator('main ul').textContent(), /Analytical Engines: \w+ \(you work in it\)/);
  t.same([...host.faults, ...guest.faults], []);
  await host.context.close();
  await guest.context.close();
});

t.test('when another person signs in in another tab, the page of the former person goes', async (t) => {
  const { page, context, faults } = await opened();
  await register(page, 'eve@example.com', 'Eve and Sons');
  await press(page, 'button', 'Sign out');
  await arrive(page, 'Sign in');
  await register(page, 'fay@example.com', 'Fay and Sons');
  const second = await context.newPage();
  await signIn(second, 'eve@example.com', PASSWORD);
  await arrive(second, 'Your account');
  await page.getByText('eve@example.com').waitFor();
  t.notMatch(await page.locator('body').textContent(), 'fay@example.com');
  t.match(await second.locator('dl').textContent(), 'eve@example.com', 'and the person who has signed in stays');
  t.same(faults, []);
  await context.close();
});

t.test('a request of one person is not repeated in the name of another whose the cookie is now', async (t) => {
  const { page, context, faults } = await opened();
  await register(page, 'gil@example.com', 'Gil and Sons');
  await press(page, 'button', 'Sign out');
  await arrive(page, 'Sign in');
  await register(page, 'hal@example.com', 'Hal and Sons');
  const changes: string[] = [];
  page.on('request', (request) => request.method() === 'PATCH' && changes.push(request.url()));
  // Such as on a page of Tenantry, which sends no message to the tabs of the application.
  const body = JSON.stringify({ email: 'gil@example.com', password: PASSWORD, transport: 'cookie' });
  const login = `fetch('${tenantry}/api/v1/auth/login', {
    method: 'POST', credentials: 'include', headers: { 'content-type': 'application/json' }, body: '${body}',
  }).then(({ status }) => status)`;
  t.equal(await page.evaluate(login), 200);
  await expireOnce(page, '/me');
  await fill(page, { Name: 'Hal' });
  await press(page, 'button', 'Save');
  await page.getByText('gil@example.com').waitFor();
  t.equal(changes.length, 1, 'only the request that was refused');
  t.equal(await page.getByLabel('Name').inputValue(), 'Ada Lovelace');
  t.same(faults, []);
  await context.close();
});

t.test('a tab whose session was ended goes on with the session of the cookie, if there is one', async (t) => {
  const { page, context, faults } = await opened();
  await register(page, 'ida@example.com', 'Ida and Sons');
  const second = await context.newPage();
  await signIn(second, 'ida@example.com', PASSWORD);
  await arrive(second, 'Your account');
  await press(second, 'link', 'Devices');
  await press(second, 'button', 'End all others');
  await second.getByText('No others.').waitFor();
  await press(page, 'link', 'Devices');
  await arrive(page, 'Your devices');
  t.equal(await second.getByRole('button', { name: 'Sign out' }).count(), 1);
  t.same(faults, []);
  await context.close();
});
