// The example application with forms of its own, started by the command of its README: the whole way from registering
// to closing the account, by its forms and by the links of the mails.
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { age } from '../../sign-in/reauthentication/proving.ts';
import { createDatabase } from '../../support/database.ts';
import { violationsOf } from '../../support/pages/chromium.ts';
import { fill } from '../../support/pages/filling.ts';
import { arrive, press, secretsIn, startExample } from './example.ts';
import { alertOf, follow, PASSWORD, refused, register, said, signIn } from './forms.ts';

const NEXT = 'four other unrelated words';
const LAST = 'seven green bicycles';

// The database of the test, so that the proofs of a session can be made older.
const database = await createDatabase(t);
const { browser, url, mail } = await startExample(t, 'own-forms', { DATABASE_URL: database.ownerUrl });

const opened = () => browser.open({ locale: 'en', baseURL: url });

/** Makes the last proof of every session too old for sensitive changes. */
async function ageSessions(): Promise<void> {
  for (const { id } of await database.query<{ id: string }>('SELECT id FROM sessions')) await age(database, id, 301);
}

t.test('register, prove the e-mail, invite, accept, switch', async (t) => {
  const email = 'ada@example.com';
  const { page, context, faults } = await opened();
  await page.goto('/');
  await arrive(page, 'Sign in');
  await press(page, 'link', 'Register');
  await arrive(page, 'Register');
  t.same(await violationsOf(page), []);
  await fill(page, { Name: 'Ada Lovelace', 'E-mail': email, Password: 'short', Organization: 'Analytical Engines' });
  await press(page, 'button', 'Register');
  await refused(page, 'Use at least');
  t.notMatch((await page.locator('.problem').allTextContents()).join(' '), '..', 'in a whole sentence');
  await fill(page, { Password: PASSWORD });
  await press(page, 'button', 'Register');
  await arrive(page, 'Your account');
  t.same(await violationsOf(page), []);
  t.equal(await secretsIn(page), '{}', 'no script can read a token, and none is stored');
  await page.reload();
  await arrive(page, 'Your account');

  const proof = await mail(email, '/verify-email');
  await press(page, 'link', 'Prove your e-mail');
  await arrive(page, 'Prove your e-mail');
  await fill(page, { 'Code of the mail': '00000000' });
  await press(page, 'button', 'Prove my e-mail');
  await refused(page, 'was used or has expired');
  await fill(page, { 'Code of the mail': proof.code ?? '' });
  await press(page, 'button', 'Prove my e-mail');
  await said(page, 'Your e-mail is proven.');

  await press(page, 'link', 'Organizations');
  await arrive(page, 'Your organizations');
  t.same(await violationsOf(page), []);
  await fill(page, { 'E-mail': 'grace@example.com' });
  await press(page, 'button', 'Invite');
  await said(page, 'grace@example.com gets a mail');
  const guest = await opened();
  const { link } = await mail('grace@example.com', '/invitations/accept');
  await follow(t, guest.page, link, 'Accept an invitation');
  await fill(guest.page, { Name: 'Grace Hopper', Password: PASSWORD });
  await press(guest.page, 'button', 'Create the account and join');
  await arrive(guest.page, 'Your organizations');
  t.match(await guest.page.locator('main ul').textContent(), /Analytical Engines: \w+ \(you work in it\)/);
  await follow(t, guest.page, link, 'Accept an invitation');
  await press(guest.page, 'button', 'Accept the invitation');
  await guest.page.getByRole('alert').waitFor();
  t.match(await alertOf(guest.page), 'This invitation was used or has expired');
  await press(guest.page, 'link', 'Organizations');
  await arrive(guest.page, 'Your organizations');
  await fill(guest.page, { Name: 'Looms' });
  await press(guest.page, 'button', 'Create the organization');
  await guest.page.getByText('Looms: owner (you work in it)').waitFor();
  await press(guest.page, 'button', 'Switch to Analytical Engines');
  await guest.page.getByText(/Analytical Engines: \w+ \(you work in it\)/).waitFor();
  await guest.context.close();

  await press(page, 'button', 'Sign out');
  await arrive(page, 'Sign in');
  await page.reload();
  await arrive(page, 'Sign in');
  t.same([...faults, ...guest.faults], []);
  await context.close();
});

t.test('sign in, forget and reset the password, change it, change the e-mail, take it back', async (t) => {
  const email = 'mary@example.com';
  const { page, context, faults } = await opened();
  await register(page, email, 'Looms of Mary');
  const proof = await mail(email, '/verify-email');
  await press(page, 'button', 'Sign out');
  await arrive(page, 'Sign in');
  await follow(t, page, proof.link, 'Prove your e-mail');
  t.same(await violationsOf(page), []);
  await fill(page, { 'Your password': 'not this one' });
  await page.getByRole('button', { name: 'Prove my e-mail' }).click();
  await refused(page, 'do not belong together');
  await fill(page, { 'Your password': PASSWORD });
  await page.getByRole('button', { name: 'Prove my e-mail' }).click();
  await said(page, 'Your e-mail is proven.');

  await signIn(page, email, 'not this one');
  await page.getByRole('alert').waitFor();
  t.match(await alertOf(page), 'do not belong together');
  await press(page, 'link', 'Forgotten password?');
  await arrive(page, 'Forgotten password');
  await fill(page, { 'E-mail': email });
  await press(page, 'button', 'Send the mail');
  await arrive(page, 'Set a new password');
  const reset = await mail(email, '/reset-password');
  await follow(t, page, reset.link, 'Set a new password');
  await fill(page, { 'New password': NEXT });
  await press(page, 'button', 'Set the password');
  await said(page, 'The password was changed. Sign in with it.');
  await follow(t, page, reset.link, 'Set a new password');
  await fill(page, { 'New password': PASSWORD });
  await press(page, 'button', 'Set the password');
  await page.getByRole('alert').waitFor();
  t.match(await alertOf(page), 'was used or has expired');

  await signIn(page, email, NEXT);
  await arrive(page, 'Your account');
  await fill(page, { 'Current password': 'wrong', 'New password': LAST });
  await press(page, 'button', 'Change the password');
  await refused(page, 'not your current password');
  await fill(page, { 'Current password': NEXT });
  await press(page, 'button', 'Change the password');
  await said(page, 'The password was changed, and your other sessions have ended.');

  await ageSessions();
  await press(page, 'link', 'E-mail');
  await arrive(page, 'Your e-mail');
  await fill(page, { 'New e-mail': 'mary@other.example' });
  await press(page, 'button', 'Ask for the change');
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  t.same(await violationsOf(page), []);
  await dialog.locator('input').fill('wrong');
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await dialog.locator('.problem').filter({ hasText: 'not your current password' }).waitFor();
  await dialog.locator('input').fill(LAST);
  await dialog.getByRole('button', { name: 'Continue' }).click();
  await said(page, 'A mail was sent to the new e-mail.');
  await follow(t, page, (await mail('mary@other.example', '/confirm-email')).link, 'Confirm the new e-mail');
  await press(page, 'button', 'Change my e-mail');
  await said(page, 'Your e-mail was changed.');
  t.match(await page.locator('dl').textContent(), 'mary@other.example');

  await follow(t, page, (await mail(email, '/revert-email')).link, 'Take an e-mail back');
  await press(page, 'button', 'Take my e-mail back');
  await said(page, 'Your former e-mail is back.');
  await fill(page, { 'New password': PASSWORD });
  await press(page, 'button', 'Set the password');
  await said(page, 'The password was set. Sign in with it.');
  await signIn(page, email, PASSWORD);
  await arrive(page, 'Your account');
  t.match(await page.locator('dl').textContent(), email);
  t.same(faults, []);
  await context.close();
});

t.test('devices, the copy of the data, and closing the account', async (t) => {
  const email = 'joan@example.com';
  const { page, context, faults } = await opened();
  await register(page, email, 'Clocks');
  const other = await opened();
  await signIn(other.page, email, PASSWORD);
  await arrive(other.page, 'Your account');
  await press(page, 'link', 'Devices');
  await arrive(page, 'Your devices');
  await press(page, 'button', 'End all others');
  await page.getByText('No others.').waitFor();
  await press(other.page, 'link', 'Devices');
  await arrive(other.page, 'Sign in');
  await other.context.close();

  await ageSessions();
  await press(page, 'link', 'Your data');
  await arrive(page, 'Your data');
  await press(page, 'button', 'Download a copy');
  const dialog = page.getByRole('dialog');
  await dialog.locator('input').fill(PASSWORD);
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    dialog.getByRole('button', { name: 'Continue' }).click(),
  ]);
  t.match(JSON.parse(await readFile(await download.path(), 'utf8'))[0].account, { email });

  await fill(page, { Password: PASSWORD });
  await press(page, 'button', 'Close my account');
  await page.getByRole('alert').waitFor();
  t.match(await alertOf(page), 'last owner of an organization');
  await page.getByLabel('Delete Clocks and everything in it').check();
  await press(page, 'button', 'Close my account');
  await said(page, 'Your account is closed.');
  await signIn(page, email, PASSWORD);
  await page.getByRole('alert').waitFor();
  t.match(await alertOf(page), 'do not belong together');
  t.same([...faults, ...other.faults], []);
  await context.close();
});
