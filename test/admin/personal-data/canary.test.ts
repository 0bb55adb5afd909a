// After the usual actions of people, the database contains none of their personal data in unsealed form. Every table is
// read as text, as in a plain dump.
import { randomBytes } from 'node:crypto';
import t from 'tap';
import { countingKey } from '../../../src/directory/users/email.ts';
import { newKey } from '../../base/idempotency/requests.ts';
import { openInviting, registering } from '../../directory/invitations/inviting.ts';
import { dump, formsOf } from '../../support/fixtures/dump.ts';
import { openService } from '../../support/service.ts';

t.test(
  'a dump has no e-mail, name, IP address or user agent of a person after everything that people do',
  async (t) => {
    const inviting = await openInviting(t, { TRUSTED_PROXIES: '127.0.0.1' });
    const { api, database, owner } = inviting;
    const word = () => `canary${randomBytes(6).toString('hex')}`;
    const canary = {
      registered: `${word()}@example.com`,
      invited: `${word()}@example.com`,
      pending: `${word()}@example.com`,
      waiting: `${word()}@example.com`,
      name: `Name ${word()}`,
      renamed: `Renamed ${word()}`,
      guest: `Guest ${word()}`,
      userAgent: `Agent/${word()}`,
      password: `pass ${word()} word`,
      ip: '203.0.113.77',
      network: '2001:db8:77:88::',
    };
    const headers = { 'user-agent': canary.userAgent, 'x-forwarded-for': canary.ip };
    const far = { ...headers, 'x-forwarded-for': `${canary.network}9` };
    const { registered: email, password, name } = canary;
    const made = await api.post(
      '/auth/register',
      { email, password, name },
      { headers: { ...headers, 'idempotency-key': newKey() } },
    );
    t.equal(made.status, 201, made.text);
    const signed = await api.post('/auth/login', { email: email.toUpperCase(), password }, { headers });
    t.equal(signed.status, 200);
    const { accessToken: token, refreshToken, sessionId } = signed.body.data;
    t.equal((await api.post('/auth/login', { email, password: 'wrong' }, { headers })).status, 401);
    t.equal((await api.patch('/me', { name: canary.renamed }, { token, headers })).status, 200);
    t.equal((await api.post('/auth/refresh', { refreshToken }, { headers })).status, 200);
    const past = `UPDATE sessions SET successor_at = successor_at - interval '1 hour' WHERE id = $1`;
    await database.query(past, [sessionId]);
    t.equal((await api.post('/auth/refresh', { refreshToken }, { headers: far })).status, 200, 'a reissued child');
    const invitation = await inviting.invited(canary.invited);
    const joining = { ...registering(invitation.token, canary.guest), password };
    t.equal((await api.post('/invitations/accept', joining, { headers })).status, 200);
    t.equal((await inviting.invite(canary.pending)).status, 201);
    const { api: verified } = await openService(t, database, { REGISTRATION_MODE: 'verified' });
    const waiting = { email: canary.waiting, password, name: canary.name, organizationName: canary.guest };
    t.equal((await verified.post('/auth/register', waiting, { headers })).status, 202);
    const found = await api.get(`/users?q=${encodeURIComponent(canary.guest)}`, { token: owner.accessToken });
    t.match(found.body.data, [{ name: canary.guest, email: canary.invited }]);

    const content = await dump(database);
    t.ok(content.includes(sessionId), 'the dump has the rows');
    t.match(content, /session\.child_reissued/);
    for (const [what, value] of Object.entries(canary)) {
      const words = value.includes('canary') ? [value, /canary[0-9a-f]+/.exec(value)?.[0] ?? ''] : [value];
      for (const form of words.flatMap(formsOf)) t.notOk(content.includes(form), `${what}: ${form}`);
    }
    t.notOk(content.includes(countingKey(email)));
  },
);
