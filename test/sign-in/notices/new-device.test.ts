// The mail about a sign-in with a device that the account has not used before: after a sign-in over the API or by the
// page, in every language. There is no mail about a device that has been used before.
import t from 'tap';
import { PASSWORD } from '../../directory/invitations/inviting.ts';
import { openVisitor } from '../../support/pages/visitor.ts';
import { CHROME, FIREFOX, headersOf, LAPTOP, openDevices, type Person, STRANGE } from './devices.ts';

const devices = await openDevices(t);
const { api, service, person, unproven, login, notices, rowsOf } = devices;

async function signInByPage({ email }: Person, { agent, ip }: { agent: string; ip: string }) {
  const visitor = openVisitor(service.url, { agent });
  const page = await visitor.open('/sign-in');
  const form = page.markup.forms[0]?.fields ?? {};
  const typed = { ...form, email, password: PASSWORD };
  return visitor.request('POST', '/sign-in', typed, { 'x-forwarded-for': ip });
}

const WORDS = {
  en: [/^Somebody signed in to your account at Tenantry/, 'Device: Chrome on Windows', 'Network: 198.51.100.0/24'],
  pt: [/^Alguém entrou na sua conta/, 'Dispositivo: Chrome em Windows', 'Rede: 198.51.100.0/24'],
  es: [/^Alguien inició sesión en su cuenta/, 'Dispositivo: Chrome en Windows', 'Red: 198.51.100.0/24'],
} as const;

for (const [language, words] of Object.entries(WORDS)) {
  t.test(`a sign-in with a new device sends one mail in ${language}, with time, device and network`, async (t) => {
    const grace = await person(language);
    t.equal((await login(grace, STRANGE)).status, 200);
    const [mail, ...more] = await notices(grace);
    t.same(more, []);
    for (const word of words) t.match(mail?.text, word);
    t.match(mail?.text, `${new Date().getUTCFullYear()}`);
    t.match(mail?.html, 'href="https://app.example/account/devices"');
    t.notMatch(`${mail?.raw}${mail?.text}${mail?.html}`, STRANGE.ip);
    t.equal((await login(grace, STRANGE)).status, 200);
    t.equal((await notices(grace)).length, 1, 'the device is known from then on');
  });
}

t.test('a sign-in by the page sends the mail, too, and none for a device that was used by either way', async (t) => {
  const grace = await person();
  t.match((await signInByPage(grace, LAPTOP)).status, 303);
  t.same(await notices(grace), []);
  t.match((await signInByPage(grace, STRANGE)).status, 303);
  t.match(await notices(grace), [{ text: /Device: Chrome on Windows/ }]);
  t.match((await signInByPage(grace, STRANGE)).status, 303);
  t.equal((await login(grace, STRANGE)).status, 200);
  t.equal((await notices(grace)).length, 1);
});

t.test('a device is new by its name or by its network, and not by the version of its browser', async (t) => {
  const grace = await person();
  const nearby = { agent: FIREFOX.replaceAll('140', '141'), ip: '203.0.113.200' };
  t.equal((await login(grace, nearby)).status, 200);
  t.same(await rowsOf(grace), [], 'such a sign-in writes no row');
  await login(grace, { agent: FIREFOX, ip: '2001:db8:1:2::3' });
  t.match(await notices(grace), [{ text: 'Network: 2001:db8:1::' }], 'another network');
  await login(grace, { agent: FIREFOX, ip: '2001:db8:1:ffff::3' });
  t.equal((await notices(grace)).length, 1, 'another part of that network');
  await login(grace, { agent: CHROME, ip: LAPTOP.ip });
  t.match((await notices(grace))[1]?.text, 'Device: Chrome on Windows', 'another browser in a known network');
  await login(grace, { agent: CHROME, ip: '2001:db8:1:2::4' });
  t.equal((await notices(grace)).length, 2, 'a known browser in a known network, together for the first time');
  t.same(await rowsOf(grace), ['sent', 'sent', 'unwanted']);
});

t.test('a program without a user agent is one device, whose name is unknown', async (t) => {
  const grace = await person();
  await login(grace, { agent: ' ', ip: LAPTOP.ip });
  t.match(await notices(grace), [{ text: /Device: unknown/ }]);
  await login(grace, { agent: ' ', ip: LAPTOP.ip });
  t.equal((await notices(grace)).length, 1);
});

t.test('markup in a user agent is text in the mail, and is no link', async (t) => {
  const grace = await person();
  for (const agent of [
    '<img src=x onerror=alert(1)><a href="https://evil.example/">Click</a>/1.0 (x) y',
    'Click https://evil.example/now/1.0',
    'Evil\u00a0<b>Bank</b>/2.0',
  ]) {
    await login(grace, { agent, ip: LAPTOP.ip });
    for (const { html, text } of await notices(grace)) {
      t.notMatch(html, /<img|<b>|href="https?:\/\/(?!app\.example\/)/);
      t.notMatch(text, /evil\.example|:\/\/(?!app\.example\/)/);
    }
  }
  t.ok((await notices(grace)).length > 0);
});

t.test('a refresh, a switch of the organization and a refused sign-in request no mail', async (t) => {
  const grace = await person();
  const headers = headersOf(STRANGE);
  const { accessToken: token, refreshToken } = grace;
  t.equal((await api.post('/auth/refresh', { refreshToken }, { headers })).status, 200);
  const made = await api.post('/organizations', { name: 'Switched to' }, { token, headers });
  t.equal(made.status, 201);
  const switched = await api.post('/auth/switch-organization', { organization: made.body.data.id }, { token, headers });
  t.equal(switched.status, 200, switched.text);
  t.equal((await login(grace, STRANGE, 'wrong')).status, 401);
  t.same(await rowsOf(grace), []);
});

t.test('only a proven address gets the mail', async (t) => {
  const grace = await unproven();
  t.equal((await login(grace, STRANGE)).status, 200);
  t.same(await notices(grace), []);
  t.same(await rowsOf(grace), ['unwanted']);
});
