// How many organizations one account can own. The limit is checked at each creation, even at simultaneous creations.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { openService } from '../../support/service.ts';
import { rounds } from '../../support/thorough.ts';

t.test('an account can own only as many organizations as the limit; those of other owners do not count', async (t) => {
  const { api } = await openService(t, await createDatabase(t), { ORGANIZATIONS_PER_USER_MAX: '2' });
  const [ada, eve] = [await newAccount(api), await newAccount(api)];
  const found = (token: string) => api.post('/organizations', { name: 'Further' }, { token });
  t.equal((await found(ada.accessToken)).status, 201);
  const refused = await found(ada.accessToken);
  t.equal(refused.status, 409);
  t.equal(refused.code, 'organization_limit');
  t.equal((await found(eve.accessToken)).status, 201, 'another account has its own count');
  t.equal((await api.delete('/organizations/current', { token: ada.accessToken })).status, 204);
  const login = await api.post('/auth/login', { email: ada.email, password: ada.password });
  t.equal((await found(login.body.data.accessToken)).status, 201, 'a deleted organization does not count');
});

t.test('no more simultaneous creations succeed than the limit allows', async (t) => {
  const { api } = await openService(t, await createDatabase(t), { ORGANIZATIONS_PER_USER_MAX: '2' });
  for (let round = 0; round < rounds(50); round += 1) {
    const { accessToken: token } = await newAccount(api);
    const replies = await atOnce(3, () => api.post('/organizations', { name: `Round ${round}` }, { token }));
    const statuses = replies.map(({ status }) => status).toSorted();
    if (statuses.join() !== '201,409,409') t.fail(`round ${round}: ${statuses}`);
  }
  t.pass(`${rounds(50)} rounds of three`);
});
