// The states of the page of an invitation. The test files of the two themes check them.
import type { Test } from 'tap';
import { CATALOGUES } from '../../../src/base/page-kit/language.ts';
import { freshEmail, PASSWORD } from '../../directory/invitations/inviting.ts';
import { newAccountWithoutOrganization, newProvenAccount } from '../../support/fixtures/accounts.ts';
import { fill, send } from '../../support/pages/filling.ts';
import { type ColorScheme, lookAtEach, type Shown } from '../../support/pages/look.ts';
import { follow, openInvitingPages, PAGE, signIn } from '../invited.ts';

type Inviting = Awaited<ReturnType<typeof openInvitingPages>>;

const long = 'The Society for the Diffusion of Useful Knowledge about Donaudampfschifffahrtsgesellschaftskapitäne';

const statesOf = ({ api, database, linkFor, member }: Inviting): readonly Shown[] => [
  { name: 'invitation-paste', open: async (page) => void (await page.goto(PAGE)) },
  {
    name: 'invitation-wrong',
    async open(page, language) {
      await page.goto(PAGE);
      await fill(page, { [CATALOGUES[language].link.label]: `https://evil.example/${'a'.repeat(80)}` });
      await send(page, CATALOGUES[language].link.submit);
    },
  },
  {
    name: 'invitation-register',
    async open(page, language) {
      const inviter = await newProvenAccount(api, database, {
        name: 'Ada King, Countess of Lovelace',
        organizationName: long,
      });
      await follow(page, await linkFor(freshEmail(), inviter.accessToken), language, true);
    },
  },
  {
    name: 'invitation-register-refused',
    async open(page, language) {
      const { name, password } = CATALOGUES[language].register;
      await follow(page, await linkFor(freshEmail()), language, true);
      await fill(page, { [name]: 'Grace', [password]: 'short' });
      await send(page, CATALOGUES[language].invitation.createAndJoin);
      await page.locator('summary').click();
    },
  },
  {
    name: 'invitation-account',
    open: async (page, language) => follow(page, await linkFor((await member()).email), language, true),
  },
  {
    name: 'invitation-dead',
    open: (page, language) => follow(page, `${PAGE}#token=${'x'.repeat(43)}`, language, true),
  },
  {
    name: 'invitation-accept',
    async open(page, language) {
      const { email } = await newAccountWithoutOrganization(api, { email: freshEmail(), password: PASSWORD });
      await page.goto('/sign-in');
      await signIn(page, email, language);
      await follow(page, await linkFor(email), language, true);
    },
  },
  {
    name: 'invitation-other',
    open: async (page, language) => follow(page, await linkFor(freshEmail()), language, true),
  },
];

/** Looks at every state of the page. */
export async function lookAtInvitation(t: Test, colorScheme: ColorScheme): Promise<void> {
  const inviting = await openInvitingPages(t);
  await lookAtEach(t, inviting.browser, colorScheme, statesOf(inviting));
}
