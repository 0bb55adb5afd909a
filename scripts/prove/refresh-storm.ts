// Proves: simultaneous refreshes of one token never sign anybody out and leave one lineage. `prove:refresh-storm
// [sessions] [simultaneous]`: the number of sessions, and how many times the token of each session is presented at the
// same time, over HTTP.
import { atOnce, openApi } from '../../test/support/client.ts';
import { newAccount } from '../../test/support/fixtures/accounts.ts';
import { asAdmin } from './database.ts';
import { demand } from './proof.ts';
import { type Opened, openSessions } from './sessions.ts';
import { type Service, withTestbed } from './testbed.ts';
import { jtiOf } from './tokens.ts';

const [sessions = 1000, simultaneous = 50] = process.argv.slice(2).map(Number);
const SESSIONS_AT_ONCE = 4;

/**
 * Presents one token many times at the same moment, and then presents the new token that all answers contained. Returns
 * this new token (`child`) and the token that replaces it (`next`).
 */
async function storm(service: Service, { sessionId, refreshToken }: Opened): Promise<{ child: string; next: string }> {
  const api = openApi(service.url);
  const replies = await atOnce(simultaneous, () => api.post('/auth/refresh', { refreshToken }));
  const bad = replies.find(({ status }) => status !== 200);
  demand(!bad, `a refresh of session ${sessionId} answered ${bad?.status}: ${bad?.text}`);
  const children = new Set(replies.map(({ body }) => String(body.data.refreshToken)));
  demand(children.size === 1, `session ${sessionId} got ${children.size} different children`);
  const [child = ''] = children;
  const again = await api.post('/auth/refresh', { refreshToken: child });
  demand(again.status === 200, `the child of session ${sessionId} answered ${again.status}: ${again.text}`);
  return { child, next: again.body.data.refreshToken };
}

await withTestbed({ name: 'refresh-storm', disposable: false }, async (testbed) => {
  demand(sessions > 0 && simultaneous > 0, 'usage: prove:refresh-storm [sessions] [at once]');
  const service = await testbed.startService();
  const { userId } = await newAccount(openApi(service.url));
  const opened = await openSessions(testbed, service, userId, sessions);
  demand(opened.length === sessions, `only ${opened.length} sessions were opened`);
  const chains = new Map<string, { child: string; next: string }>();
  const waiting = [...opened];
  const begun = performance.now();
  const work = async () => {
    for (let session = waiting.pop(); session; session = waiting.pop()) {
      chains.set(session.sessionId, await storm(service, session));
      if (chains.size % 100 === 0) console.log(`${chains.size} sessions …`);
    }
  };
  await Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, work));
  const seconds = (performance.now() - begun) / 1000;

  interface Row {
    id: string;
    confirmed: string;
    previous: string | null;
    successor: string | null;
    revoked: boolean;
  }
  const rows = await asAdmin(testbed, (query) =>
    query<Row>('SELECT id, confirmed, previous, successor, revoked_at IS NOT NULL AS revoked FROM sessions'),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const { sessionId, refreshToken } of opened) {
    const row = byId.get(sessionId);
    const chain = chains.get(sessionId);
    const isOneChain =
      row &&
      chain &&
      !row.revoked &&
      row.previous === jtiOf(refreshToken) &&
      row.confirmed === jtiOf(chain.child) &&
      row.successor === jtiOf(chain.next);
    demand(Boolean(isOneChain), `session ${sessionId} is not one chain: ${JSON.stringify(row)}`);
  }
  const total = sessions * (simultaneous + 1);
  return `SHOWN: ${sessions} sessions × ${simultaneous} simultaneous refreshes of one token: ${total} answers, all 200; one child each, ${chains.size} confirmed lineages, no session revoked (${seconds.toFixed(0)} s)`;
});
