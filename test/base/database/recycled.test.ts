// Several requests use a connection one after the other. No setting of one organization is left for the next request.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { type Account, newAccount, newAccountWithoutOrganization } from '../../support/fixtures/accounts.ts';
import { seedMembership } from '../../support/fixtures/people.ts';
import { openService } from '../../support/service.ts';

t.test('reused connections keep nothing of the previous organization', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, { DATABASE_POOL_SIZE: '1' });
  const foreign = (await newAccount(api)).organization;
  const tokenless = await newAccountWithoutOrganization(api);
  const accounts = await Promise.all([newAccount(api), newAccount(api), newAccount(api)]);
  for (const { organization } of accounts)
    await seedMembership(database, { organizationId: organization.id, userId: tokenless.userId, role: 'admin' });
  for (const { accessToken: token, organization } of accounts) {
    const settings = { own: organization.id };
    t.equal((await api.patch('/organizations/current', { settings }, { token })).status, 200);
  }
  let wrong = 0;
  for (let turn = 0; turn < 500; turn += 1) {
    const { organization, accessToken: token } = accounts[turn % accounts.length] as Account;
    const headers = { 'x-tenant-id': organization.slug };
    // The database refuses the last request. A refused request must not leave a setting behind either.
    const [own, named, all, denied] = await Promise.all([
      api.get('/organizations/current', { token }),
      api.get('/organizations/current', { token: tokenless.accessToken, headers }),
      api.get('/me/organizations', { token: tokenless.accessToken }),
      api.get('/organizations/current', {
        token: tokenless.accessToken,
        headers: { 'x-tenant-id': foreign.id },
      }),
    ]);
    const good =
      [own, named].every(
        ({ body }) => body.data?.settings.own === organization.id && body.data.id === organization.id,
      ) &&
      all.body.pagination?.total === accounts.length &&
      denied.code === 'organization_access_denied';
    if (!good) wrong += 1;
  }
  t.equal(wrong, 0, '2000 requests over one connection');
});
