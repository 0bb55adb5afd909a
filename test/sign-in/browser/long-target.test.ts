// A `return_to` that is too long once it is percent-encoded is ignored. It does not make the forms of a page fail.
import t from 'tap';
import { freshEmail, openInviting, PASSWORD } from '../../directory/invitations/inviting.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { ORIGIN, openVisitor } from '../../support/pages/visitor.ts';

const APP = 'https://app.example.com';
const inviting = await openInviting(t, { CORS_ORIGINS: APP });

const LONG = `${APP}/${'é'.repeat(900)}`;
const FITS = `${APP}/${'é'.repeat(300)}`;

/** Sends the form of a page that was opened with this `return_to`, and returns the answer and the field of the form. */
async function sent(path: string, target: string, typed: Record<string, string>) {
  const person = openVisitor(inviting.service.url);
  const page = await person.open(`${path}?return_to=${encodeURIComponent(target)}`);
  const fields = page.markup.forms.find(({ action }) => action === path)?.fields;
  const answer = await person.request('POST', path, { ...fields, ...typed });
  return { status: answer.status, location: answer.location, field: fields?.return_to };
}

t.test(
  'people sign in, register and bring an invitation although the address to continue at is too long',
  async (t) => {
    const { email } = await newAccount(inviting.api, { email: freshEmail(), password: PASSWORD });
    const ways = {
      '/sign-in': async () => ({ email, password: PASSWORD }),
      '/register': async () => ({ name: 'Grace', email: freshEmail(), password: PASSWORD }),
      '/accept-invitation': async () => {
        const { token } = await inviting.invited(freshEmail());
        return { token: `${ORIGIN}/accept-invitation#token=${token}` };
      },
    };
    for (const [path, typed] of Object.entries(ways)) {
      const ignored = await sent(path, LONG, await typed());
      t.match(ignored, { status: 303, field: undefined }, path);
      t.notMatch(ignored.location, 'app.example.com', path);
      const followed = await sent(path, FITS, await typed());
      t.match(followed, { status: 303, field: new URL(FITS).href }, path);
      t.match(followed.location, 'app.example.com', path);
    }
  },
);

t.test('a person who signs in first comes back to the invitation, whatever is too long behind it', async (t) => {
  const { email } = await newAccount(inviting.api, { email: freshEmail(), password: PASSWORD });
  await inviting.database.query('UPDATE users SET email_verified_at = now()');
  const { token } = await inviting.invited(email);
  for (const [target, back] of [
    [`${APP}/x`, `?return_to=${encodeURIComponent(`${APP}/x`)}`],
    [FITS, ''],
  ] as const) {
    const person = openVisitor(inviting.service.url);
    const path = '/accept-invitation';
    const arrival = await person.open(`${path}?return_to=${encodeURIComponent(target)}`);
    const offer = await person.send(arrival, path, { token });
    const link = offer.markup.tags.find(({ attributes }) => attributes.class === 'button main')?.attributes.href ?? '';
    const form = (await person.open(link)).markup.forms.find(({ action }) => action === '/sign-in');
    t.equal(form?.fields.return_to, `${ORIGIN}${path}${back}`);
  }
});
