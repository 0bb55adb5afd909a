// `tenantry database accept`, with which an operator decides about a database that went back in time, and what the
// doctor says before the decision.
import t from 'tap';
import { lose, promote, rowOf } from '../credentials/revocations/set-back.ts';
import { createDatabase } from '../support/database.ts';
import { newAccount } from '../support/fixtures/accounts.ts';
import { openService } from '../support/service.ts';
import { cliOn } from './command-line.ts';

t.test('the doctor says that sessions are in doubt and what decides it, and one command accepts them', async (t) => {
  const database = await createDatabase(t);
  const service = await openService(t, database);
  const { api, app, keysDirectory } = service;
  const { synchronize } = app.parts.revocations;
  const cli = cliOn(database, { KEYS_DIR: keysDirectory });
  const [stays, leaves] = [await newAccount(api), await newAccount(api)];
  const status = async () => (await api.get('/me', { token: stays.accessToken })).status;
  const accepted = () => database.query("SELECT 1 FROM events WHERE type = 'installation.database_accepted'");
  const doubts = async () => {
    const { status, json } = await cli('doctor', '--json');
    const checks = json.data.checks as { name: string; status: string; detail: string }[];
    return { exit: status, found: checks.filter(({ name }) => name === 'sessions') };
  };

  t.strictSame(await doubts(), { exit: 0, found: [] });
  const idle = await cli('database', 'accept', '--yes');
  t.match(idle, { status: 0, stdout: 'Nothing was in doubt.\n' });
  t.strictSame((await cli('database', 'accept', '--yes', '--json')).json, { data: { doubtedAt: null } });

  await api.post('/auth/logout', { refreshToken: leaves.refreshToken });
  await lose(database, leaves);
  await database.query("UPDATE database_lineage SET accepted = '1/0'"); // nobody has decided about the new primary
  await promote(database);
  await synchronize();
  t.equal(await status(), 503);
  const doubted = await doubts();
  t.equal(doubted.exit, 1);
  t.match(doubted.found, [{ status: 'fail', detail: /has lost changes/ }]);
  t.match(doubted.found[0]?.detail, /tenantry restore --restored-at .*tenantry database accept/);

  const before = (await accepted()).length;
  for (const [args, code, text] of [
    [['database', 'accept'], 2, /add --yes/],
    [['database', 'accept', 'all', '--yes'], 2, /too many arguments/],
    [['database', 'accept', '--force'], 2, /unknown option '--force'/],
    [['database', 'agree'], 2, /unknown command 'agree'/],
  ] as const) {
    const refused = await cli(...args);
    t.equal(refused.status, code, args.join(' '));
    t.match(refused.stderr, text);
  }
  t.match(await rowOf(database), { reason: 'lost' }, 'a refused command decides nothing');
  t.equal((await accepted()).length, before);

  const done = await cli('database', 'accept', '--yes');
  t.match(done, { status: 0, stdout: /^Sessions and tokens from before \S+Z are valid again\.\n$/ });
  await synchronize();
  t.equal(await status(), 200);
  t.match(await rowOf(database), { reason: null });
  t.equal((await accepted()).length, before + 1);
  t.strictSame(await doubts(), { exit: 0, found: [] });
});

t.test('the doctor names a database that was replaced while nothing ran', async (t) => {
  const database = await createDatabase(t);
  const { app, keysDirectory } = await openService(t, database);
  await app.close();
  await promote(database);
  await openService(t, database);
  const { stdout } = await cliOn(database, { KEYS_DIR: keysDirectory })('doctor');
  t.match(
    stdout,
    /^fail +sessions +the database was replaced, and no process that has reported so far ran at that time.* database accept/m,
  );
});
