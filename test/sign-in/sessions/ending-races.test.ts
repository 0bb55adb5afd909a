// A user ends a session at the moment when the session changes.
import t from 'tap';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { seedOrganizationOf } from '../../support/fixtures/people.ts';
import { openTransaction, waiters } from '../../support/locks.ts';
import { openService } from '../../support/service.ts';
import { sessionRow } from './rows.ts';

t.test('a user can end a session while the session switches to a newly joined organization', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database);
  for (const [index, path] of ['/me/sessions', '/me/sessions/own'].entries()) {
    const account = await newAccount(api);
    const other = (await api.post('/auth/login', { email: account.email, password: account.password })).body.data;
    const joining = await openTransaction(t, database);
    const within = {
      ...database,
      query: async (text: string, values?: unknown[]) => (await joining.query(text, values)).rows,
    };
    const organizationId = await seedOrganizationOf(within as typeof database, account.userId, {
      slug: `joined-${index}`,
    });
    await joining.query('UPDATE sessions SET organization_id = $2 WHERE id = $1', [other.sessionId, organizationId]);
    const ending = api.delete(path.replace('own', other.sessionId), { token: account.accessToken });
    await waiters(database, 1);
    await joining.query('COMMIT');
    const { status } = await ending;
    t.ok([200, 204].includes(status), `${path}: ${status}`);
    t.equal((await sessionRow(database, other.sessionId)).revoked_reason, 'ended_by_user');
  }
});
