// Changes of an address at the same moment as another change, a refresh, or a second use of the link.
import t from 'tap';
import { atOnce } from '../../support/client.ts';
import { rounds } from '../../support/thorough.ts';
import { until } from '../../support/until.ts';
import { freshEmail, mailTo, openChanging, proofIn } from './changing.ts';

const { api, database, mailbox, register, ask, confirm, login } = await openChanging(t);

t.test('of several uses of one link or code at the same time, one wins', async (t) => {
  for (let round = 0; round < rounds(3); round += 1) {
    const user = await register();
    const to = freshEmail();
    await ask(user.accessToken, to);
    const { token, code } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
    const replies = await atOnce(4, (n) => confirm(n % 2 ? { token } : { code }, user.accessToken));
    const won = replies.filter(({ status }) => status === 200);
    t.equal(won.length, 1);
    for (const { code: problem } of replies.filter((reply) => !won.includes(reply))) {
      t.ok(['invalid_or_expired_token', 'token_stale', 'session_revoked'].includes(problem ?? ''), String(problem));
    }
    const [row] = await database.query<{ changes: number }>(
      `SELECT count(*)::int AS changes FROM events WHERE type = 'user.email_changed' AND target_id = $1`,
      [user.userId],
    );
    t.equal(row?.changes, 1);
  }
});

t.test('two accounts prove the same address at the same time: one gets it', async (t) => {
  for (let round = 0; round < rounds(5); round += 1) {
    const [one, two] = [await register(), await register()];
    const to = freshEmail('wanted');
    const proofs: string[] = [];
    for (const { accessToken } of [one, two]) {
      await ask(accessToken, to);
      proofs.push(proofIn(await mailTo(mailbox, to, '/confirm-email')).token);
    }
    const users = [one, two];
    const replies = await atOnce(2, (n) => confirm({ token: proofs[n] ?? '' }, users[n]?.accessToken ?? ''));
    t.same(replies.map(({ status, code }) => code ?? String(status)).sort(), ['200', 'invalid_or_expired_token']);
    const winner = replies[0]?.status === 200 ? one : two;
    t.equal((await login(winner, to)).status, 200);
    const loser = winner === one ? two : one;
    t.equal((await login(loser)).status, 200, 'the other one keeps the former address');
  }
});

t.test('of two requests at the same time, one link works', async (t) => {
  const user = await register();
  const asked = [freshEmail('a'), freshEmail('b')];
  const replies = await atOnce(2, (n) => ask(user.accessToken, asked[n] ?? ''));
  t.same(
    replies.map(({ status }) => status),
    [202, 202],
  );
  const due = `SELECT 1 FROM outbox WHERE kind = 'email_change_confirm' AND subject_id = $1 AND due_at IS NOT NULL`;
  await until(async () => (await database.query(due, [user.userId])).length === 0);
  const sent = mailbox.mails.filter(({ recipients }) => recipients.some((one) => asked.includes(one)));
  const outcomes: number[] = [];
  for (const mail of sent) outcomes.push((await confirm({ token: proofIn(mail).token }, user.accessToken)).status);
  t.equal(outcomes.filter((status) => status === 200).length, 1);
});

t.test('a refresh at the same moment never keeps a session that the change ends', async (t) => {
  for (let round = 0; round < rounds(5); round += 1) {
    const user = await register();
    const other = (await login(user)).body.data;
    const to = freshEmail();
    await ask(user.accessToken, to);
    const { token } = proofIn(await mailTo(mailbox, to, '/confirm-email'));
    const [confirmed, refreshed, own] = await Promise.all([
      confirm({ token }, user.accessToken),
      api.post('/auth/refresh', { refreshToken: other.refreshToken }),
      api.post('/auth/refresh', { refreshToken: user.refreshToken }),
    ]);
    t.equal(confirmed.status, 200);
    t.equal(own.status, 200);
    if (refreshed.status === 200) {
      t.equal((await api.get('/me', { token: refreshed.body.data.accessToken })).status, 401);
      t.equal((await api.post('/auth/refresh', { refreshToken: refreshed.body.data.refreshToken })).status, 401);
    }
    const after = await api.post('/auth/refresh', { refreshToken: own.body.data.refreshToken });
    t.equal(after.status, 200, 'the session of the caller goes on');
    t.equal((await api.get('/me', { token: after.body.data.accessToken })).body.data.email, to);
  }
});
