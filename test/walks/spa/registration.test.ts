// The example application with forms of its own, at a Tenantry whose registrations are proven first
// (REGISTRATION_MODE=verified): nobody is signed in by registering, and the code or the link of the mail makes the
// account.
import t from 'tap';
import { violationsOf } from '../../support/pages/chromium.ts';
import { fill } from '../../support/pages/filling.ts';
import { arrive, press, secretsIn, startExample } from './example.ts';
import { follow, PASSWORD, refused, said, sendRegistration, signIn } from './forms.ts';

const { browser, url, mail } = await startExample(t, 'own-forms', { REGISTRATION_MODE: 'verified' });
const opened = () => browser.open({ locale: 'en', baseURL: url });

t.test('a person registers, is told to look into the mail, types its code and signs in', async (t) => {
  const email = 'ada@example.com';
  const { page, context, faults } = await opened();
  await sendRegistration(page, email, 'Analytical Engines');
  await arrive(page, 'Prove your e-mail');
  t.match(await page.locator('main').textContent(), `Look into your mail: a mail was sent to ${email}.`);
  t.equal(await page.getByRole('button', { name: 'Sign out' }).count(), 0, 'nobody is signed in');
  t.equal(await secretsIn(page), '{}');
  t.same(await violationsOf(page), []);
  const { code } = await mail(email, '/verify-email');
  await fill(page, { 'Code of the mail': '00000000' });
  await press(page, 'button', 'Prove my e-mail');
  await refused(page, 'was used or has expired');
  await fill(page, { 'Code of the mail': code ?? '' });
  await press(page, 'button', 'Prove my e-mail');
  await arrive(page, 'Sign in');
  await said(page, 'Your e-mail is proven. Sign in.');
  await page.goBack();
  await page.getByText('Open the link of the mail, or').waitFor();
  await signIn(page, email, PASSWORD);
  await arrive(page, 'Your account');
  t.match(await page.locator('dl').textContent(), 'Analytical Engines');
  await page.goto('/register');
  await page.getByText('Sign out before you register another account.').waitFor();
  t.same(faults, []);
  await context.close();
});

t.test(
  'a person opens the link of the mail in another browser, and an e-mail with an account looks the same',
  async (t) => {
    const email = 'grace@example.com';
    const { page, context, faults } = await opened();
    await sendRegistration(page, email, 'Looms');
    await arrive(page, 'Prove your e-mail');
    const phone = await opened();
    await follow(t, phone.page, (await mail(email, '/verify-email')).link, 'Prove your e-mail');
    await fill(phone.page, { 'Your password': PASSWORD });
    await phone.page.getByRole('button', { name: 'Prove my e-mail' }).click();
    await said(phone.page, 'Your e-mail is proven. Sign in.');
    await signIn(phone.page, email, PASSWORD);
    await arrive(phone.page, 'Your account');
    const first = await page.locator('main').textContent();
    await press(page, 'link', 'Register again');
    await sendRegistration(page, email, 'Looms');
    await arrive(page, 'Prove your e-mail');
    t.equal(await page.locator('main').textContent(), first);
    t.same([...faults, ...phone.faults], []);
    await phone.context.close();
    await context.close();
  },
);
