// A stolen refresh token: whatever the owner and the thief do, in any order, at most one of them can continue.
import t from 'tap';
import type { Api } from '../../support/client.ts';
import { createDatabase } from '../../support/database.ts';
import { newAccount } from '../../support/fixtures/accounts.ts';
import { eventsAbout } from '../../support/rows.ts';
import { openService } from '../../support/service.ts';

/** The owner or the thief. Both have a copy of the token, and refresh with their newest token as a client does. */
class Party {
  token: string;
  uses = 0;
  refused: string | null = null;
  readonly #api: Api;
  constructor(api: Api, token: string) {
    this.#api = api;
    this.token = token;
  }
  async refresh(): Promise<void> {
    const reply = await this.#api.post('/auth/refresh', { refreshToken: this.token });
    if (reply.status !== 200) {
      this.refused = reply.code;
      return;
    }
    this.uses += 1;
    this.token = reply.body.data.refreshToken;
  }
}

/** Returns every order of `length` turns of two parties. */
function orders(length: number): string[] {
  return Array.from({ length: 2 ** length }, (_, bits) => bits.toString(2).padStart(length, '0'));
}

t.test('owner and thief cannot both refresh more than once, in any order of six turns', async (t) => {
  // The grace period is 0, because owner and thief do not refresh within the same seconds.
  const { api } = await openService(t, await createDatabase(t), { REFRESH_REUSE_GRACE: '0' });
  const { email, password } = await newAccount(api);
  let ended = 0;
  let carriedOn = 0;
  for (const order of orders(6)) {
    const account = await newSession(api, email, password);
    const owner = new Party(api, account.refreshToken);
    const thief = new Party(api, account.refreshToken);
    for (const turn of order) await (turn === '0' ? owner : thief).refresh();
    if (owner.uses > 1 && thief.uses > 1) t.fail(`${order}: both continue (${owner.uses}, ${thief.uses})`);
    if (owner.refused !== null || thief.refused !== null) ended += 1;
    if (Math.max(owner.uses, thief.uses) > 2) carriedOn += 1;
    const codes = [owner.refused, thief.refused].filter((code) => code !== null && code !== 'refresh_token_reused');
    t.same(codes, [], `${order}: every refusal has the code of reuse`);
  }
  t.ok(ended > 20, 'many orders end with a refusal');
  t.ok(carriedOn > 10, 'a party that refreshes alone continues');
});

t.test('after the thief has used the stolen token, the owner’s next refreshes end the session for both', async (t) => {
  const database = await createDatabase(t);
  const { api } = await openService(t, database, { REFRESH_REUSE_GRACE: '0' });
  const account = await newAccount(api);
  const owner = new Party(api, account.refreshToken);
  const thief = new Party(api, account.refreshToken);
  await thief.refresh();
  await thief.refresh();
  await owner.refresh();
  t.equal(owner.refused, 'refresh_token_reused');
  await thief.refresh();
  t.equal(thief.refused, 'refresh_token_reused', 'the thief loses the session at the same moment');
  t.ok((await eventsAbout(database, account.sessionId)).includes('session.reuse_detected'));
});

async function newSession(api: Api, email: string, password: string): Promise<{ refreshToken: string }> {
  const reply = await api.post('/auth/login', { email, password });
  if (reply.status !== 200) throw new Error(`login answered ${reply.status}`);
  return reply.body.data;
}
