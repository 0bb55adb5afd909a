// The flows of an account on the pages, with refused variants.
import { nextMail, type Walk } from './flows.ts';

/** Registers, proves the address, replaces the password and the address in several ways, and closes the account. */
export async function walkByPages(walk: Walk): Promise<void> {
  const { canaries } = walk;
  const [email, newEmail, name] = [canaries.email(), canaries.email(), canaries.name()];
  const { open, send } = walk.recorder.browse([email, newEmail, name]);
  let password = canaries.password();
  const wrong = () => ({ token: canaries.forged() });

  const joining = { name, email, password };
  await send(422, await open('/register'), '/register', { ...joining, password: email });
  await send(303, await open('/register'), '/register', joining);
  await send(303, await open('/account'), '/sign-out');
  await send(409, await open('/register'), '/register', { ...joining, name: canaries.name() });
  await send(401, await open('/sign-in'), '/sign-in', { email, password: canaries.password() });
  await send(401, await open('/sign-in'), '/sign-in', { email: canaries.email(), password });
  await send(303, await open('/sign-in'), '/sign-in', { email, password });

  await nextMail(walk, email, '/verify-email');
  await send(422, await open('/verify-email'), '/verify-email', { step: 'code', code: canaries.forged() });
  await send(303, await open('/verify-email'), '/verify-email', { step: 'resend' });
  const proof = await nextMail(walk, email, '/verify-email');
  await send(303, await open('/verify-email'), '/verify-email', wrong());
  await send(422, await open('/verify-email'), '/verify-email', { step: 'confirm' });
  await send(303, await open('/verify-email'), '/verify-email', { token: proof.token });
  await send(303, await open('/verify-email'), '/verify-email', { step: 'confirm' });

  const own = { currentPassword: password, newPassword: canaries.password() };
  await send(403, await open('/account/password'), '/account/password', {
    ...own,
    currentPassword: canaries.password(),
  });
  await send(303, await open('/account/password'), '/account/password', own);
  password = own.newPassword;
  await send(403, await open('/reauthenticate'), '/reauthenticate', { password: canaries.password() });
  await send(303, await open('/reauthenticate'), '/reauthenticate', { password });

  const asking = { step: 'ask', newEmail, currentPassword: password };
  await send(403, await open('/account/email'), '/account/email', {
    ...asking,
    currentPassword: canaries.password(),
  });
  await send(303, await open('/account/email'), '/account/email', asking);
  const change = await nextMail(walk, newEmail, '/confirm-email');
  await send(422, await open('/account/email'), '/account/email', { step: 'code', code: canaries.forged() });
  await send(422, await open('/confirm-email'), '/confirm-email', wrong());
  await send(303, await open('/confirm-email'), '/confirm-email', { token: change.token });
  const back = await nextMail(walk, email, '/revert-email');
  await send(422, await open('/revert-email'), '/revert-email', wrong());
  await send(303, await open('/revert-email'), '/revert-email', { token: back.token });

  await send(303, await open('/forgot-password'), '/forgot-password', { email: canaries.email() });
  await send(422, await open('/forgot-password'), '/forgot-password', { email: `no address ${canaries.email()}` });
  await send(303, await open('/forgot-password'), '/forgot-password', { email });
  const reset = await nextMail(walk, email, '/reset-password');
  const [byLink, byCode] = ['/reset-password', '/reset-password?with=code'];
  password = canaries.password();
  await send(422, await open(byLink), '/reset-password', { ...wrong(), password });
  await send(422, await open(byCode), '/reset-password', { email, code: canaries.forged(), password });
  await send(422, await open(byLink), '/reset-password', { token: reset.token, password: email });
  await send(303, await open(byLink), '/reset-password', { token: reset.token, password });
  await send(303, await open('/sign-in'), '/sign-in', { email, password });

  await send(400, await open('/account'), '/account', { name: `${canaries.name()}\u0000` });
  await send(200, await open('/account/data'), '/account/data');
  await send(403, await open('/account/close'), '/account/close', { password: canaries.password() });
  await send(303, await open('/account/close'), '/account/close', { password });
}

/**
 * Somebody accepts an invitation by the page. `token` is that of the link. The page shows the address and the name of
 * the person who invites.
 */
export async function acceptByPage(walk: Walk, token: string, shown: readonly string[]): Promise<void> {
  const { canaries } = walk;
  const [name, password, page] = [canaries.name(), canaries.password(), '/accept-invitation'];
  const { open, send } = walk.recorder.browse([token, ...shown]);
  await send(410, await open(page), page, { token: canaries.forged() });
  await send(303, await open(page), page, { token });
  await send(422, await open(page), page, { step: 'register', name, password: name });
  await send(303, await open(page), page, { step: 'register', name, password });
}
