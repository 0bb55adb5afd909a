// The flows of an account over the API, with refused variants.
import { newKey } from '../../base/idempotency/requests.ts';
import { nextMail, type Walk } from './flows.ts';

interface Account {
  readonly email: string;
  readonly name: string;
  readonly password: string;
  readonly token: string;
  readonly refreshToken: string;
}

/** Registers, proves the address, signs in, and refreshes. */
export async function beginByApi(walk: Walk): Promise<Account> {
  const { call } = walk.recorder;
  const { canaries } = walk;
  const { email, password, name } = { email: canaries.email(), password: canaries.password(), name: canaries.name() };
  const body = { email, password, name };
  await call(422, 'POST', '/auth/register', { ...body, email: `not an address ${canaries.email()}` });
  await call(422, 'POST', '/auth/register', { ...body, password: email });
  await call(422, 'POST', '/auth/register', { ...body, surplus: canaries.name() });
  await call(422, 'POST', '/auth/register', { ...body, name: { first: canaries.password() } });
  const raw = (text: string, type = 'application/json') => ({ raw: text, headers: { 'content-type': type } });
  await call(400, 'POST', '/auth/register', undefined, raw(`{"email":"${email}","password":"${password}" ${name}`));
  await call(400, 'POST', '/auth/register', undefined, raw(`{"password":"${password}","password":"${password}"}`));
  await call(415, 'POST', '/auth/register', undefined, raw(JSON.stringify(body), 'text/plain'));
  await call(413, 'POST', '/auth/register', { ...body, name: canaries.name().repeat(2_000) });
  const organizationName = 'Canary cage';
  const headers = { 'idempotency-key': newKey() };
  await call(201, 'POST', '/auth/register', { ...body, organizationName }, { headers });
  await call(422, 'POST', '/auth/register', { ...body, name: canaries.name(), organizationName }, { headers });
  await call(409, 'POST', '/auth/register', body);

  const signIn = (typed: object, status = 200) => call(status, 'POST', '/auth/login', { email, password, ...typed });
  await signIn({ password: canaries.password() }, 401);
  await signIn({ email: canaries.email() }, 401);
  await signIn({ email: `no address ${canaries.email()}` }, 401);
  await signIn({ organization: canaries.forged() }, 403);
  const { accessToken: token } = (await signIn({})).body.data;
  const verify = (status: number, proof: object) => call(status, 'POST', '/auth/verify-email', proof, { token });
  await verify(422, { token: canaries.forged() });
  await verify(422, { code: canaries.forged() });
  await nextMail(walk, email, '/verify-email');
  await call(202, 'POST', '/auth/verify-email/resend', {}, { token });
  await call(401, 'POST', '/auth/verify-email/resend', {}, { token: canaries.forged() });
  const { code } = await nextMail(walk, email, '/verify-email');
  await verify(200, { code });

  const cookie = await signIn({ transport: 'cookie' });
  const sent = { cookie: cookie.setCookie[0]?.split(';')[0] ?? '' };
  await call(200, 'POST', '/auth/refresh', {}, { headers: sent });
  await call(403, 'POST', '/auth/refresh', {}, { headers: { ...sent, origin: 'https://elsewhere.example' } });
  await call(401, 'POST', '/auth/refresh', {}, { headers: { cookie: `tenantry_refresh=${canaries.forged()}` } });
  await call(401, 'POST', '/auth/refresh', { refreshToken: `eyJhbGciOiJSUzI1NiJ9.${canaries.forged()}.e` });
  const { refreshToken } = (await signIn({})).body.data;
  const refreshed = (await call(200, 'POST', '/auth/refresh', { refreshToken })).body.data;
  await call(401, 'GET', '/me', undefined, { token: canaries.forged() });
  await call(401, 'GET', '/me', undefined, { headers: { authorization: `Basic ${canaries.forged()}` } });
  await call(404, 'GET', `/no-such-place/${canaries.forged()}?token=${canaries.forged()}`);
  await call(401, 'POST', '/oauth/token', undefined, {
    raw: `grant_type=client_credentials&client_id=x&client_secret=${canaries.forged()}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
  return { email, name, password, token: refreshed.accessToken, refreshToken: refreshed.refreshToken };
}

/** Resets the password by link and by code, and changes it. Returns the account with its new password. */
export async function replacePasswords(walk: Walk, account: Account): Promise<Account> {
  const { call } = walk.recorder;
  const { canaries } = walk;
  const { email, name } = account;
  const forgot = (status: number, of: string) => call(status, 'POST', '/auth/forgot-password', { email: of });
  const reset = (status: number, proof: object, password = canaries.password()) =>
    call(status, 'POST', '/auth/reset-password', { ...proof, password }).then(() => password);
  await forgot(202, canaries.email());
  await forgot(422, `no address ${canaries.email()}`);
  await forgot(202, email);
  const { token } = await nextMail(walk, email, '/reset-password');
  await reset(422, { token: canaries.forged() });
  await reset(422, { token }, email);
  await reset(204, { token });
  await reset(422, { token });
  await forgot(202, email);
  const { code } = await nextMail(walk, email, '/reset-password');
  await reset(422, { email, code: canaries.forged() });
  const current = await reset(204, { email, code });
  const signed = (await call(200, 'POST', '/auth/login', { email, password: current })).body.data;
  const password = canaries.password();
  const change = (status: number, body: object) =>
    call(status, 'POST', '/me/password', body, { token: signed.accessToken });
  await change(403, { currentPassword: canaries.password(), newPassword: password });
  await change(422, { currentPassword: current, newPassword: email });
  await change(200, { currentPassword: current, newPassword: password });
  const again = (await call(200, 'POST', '/auth/login', { email, password })).body.data;
  const proving = (status: number, typed: string) =>
    call(status, 'POST', '/auth/reauthenticate', { password: typed }, { token: again.accessToken });
  await proving(403, canaries.password());
  const { accessToken } = (await proving(200, password)).body.data;
  return { email, name, password, token: accessToken, refreshToken: again.refreshToken };
}

/** Changes the address and takes the former one back. Returns the account with its new password. */
export async function changeAddress(walk: Walk, account: Account): Promise<Account> {
  const { call } = walk.recorder;
  const { canaries } = walk;
  const { email, name, password: currentPassword, token } = account;
  const newEmail = canaries.email();
  const ask = (status: number, body: object) => call(status, 'POST', '/me/email', body, { token });
  await ask(403, { newEmail, currentPassword: canaries.password() });
  await ask(422, { newEmail: `no address ${canaries.email()}`, currentPassword });
  await ask(202, { newEmail, currentPassword });
  const proof = await nextMail(walk, newEmail, '/confirm-email');
  await call(422, 'POST', '/auth/confirm-email-change', { token: canaries.forged() }, { token });
  await call(422, 'POST', '/auth/confirm-email-change', { code: canaries.forged() }, { token });
  await call(401, 'POST', '/auth/confirm-email-change', { token: proof.token });
  await call(200, 'POST', '/auth/confirm-email-change', { token: proof.token }, { token });
  const back = await nextMail(walk, email, '/revert-email');
  await call(422, 'POST', '/auth/revert-email', { token: canaries.forged() });
  const { resetToken } = (await call(200, 'POST', '/auth/revert-email', { token: back.token })).body.data;
  const password = canaries.password();
  await call(204, 'POST', '/auth/reset-password', { token: resetToken, password });
  const signed = (await call(200, 'POST', '/auth/login', { email, password })).body.data;
  return { email, name, password, token: signed.accessToken, refreshToken: signed.refreshToken };
}

/** Invites somebody, who joins, downloads a copy of their data, and closes the account. */
export async function inviteByApi(walk: Walk, { token }: Account): Promise<void> {
  const { call } = walk.recorder;
  const { canaries } = walk;
  const [email, password, name] = [canaries.email(), canaries.password(), canaries.name()];
  const invite = (status: number, to: string) =>
    call(status, 'POST', '/invitations', { email: to, roles: [{ role: 'agent' }] }, { token });
  await invite(422, `no address ${canaries.email()}`);
  const invited = (await invite(201, email)).body.data;
  const first = await nextMail(walk, email, '/accept-invitation');
  await call(200, 'POST', `/invitations/${invited.id}/resend`, {}, { token });
  const { token: link } = await nextMail(walk, email, '/accept-invitation');
  const accept = (status: number, body: object) => call(status, 'POST', '/invitations/accept', body);
  await accept(410, { token: canaries.forged(), name, password });
  await accept(410, { token: first.token, name, password });
  await accept(422, { token: link, name, password: email });
  const other = { email: canaries.email(), password, name, invitationToken: link };
  await call(403, 'POST', '/auth/register', other);
  const { accessToken } = (await accept(200, { token: link, name, password })).body.data;
  const own = { token: accessToken };
  await call(200, 'PATCH', '/me', { name: canaries.name() }, own);
  await call(422, 'PATCH', '/me', { name: `${canaries.name()}\u0000` }, own);
  await call(200, 'GET', '/me/export', undefined, own);
  await call(403, 'DELETE', '/me', { password: canaries.password() }, own);
  await call(204, 'DELETE', '/me', { password }, own);
}
