// The configuration from the environment: its defaults, the values that are refused and the names in the refusal, and
// the requirements of production.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { type Config, ConfigRefused, ENVIRONMENT, readConfig } from '../../../src/base/config/config.ts';

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgres://owner:secret@db.internal/tenantry',
  PUBLIC_URL: 'https://id.example.com',
  KEYS_DIR: '/keys',
};

/** Returns the problems of an environment. [] if the environment is accepted. */
function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigRefused) return error.problems;
    throw error;
  }
}

function namesIn(problems: readonly string[]): string[] {
  return problems.map((line) => line.slice(0, line.indexOf(':')));
}

t.test('an empty environment means development, with safe defaults', async (t) => {
  const config = readConfig({});
  const expected: Partial<Config> = {
    NODE_ENV: 'development',
    production: false,
    HOST: '127.0.0.1',
    PORT: 3000,
    PUBLIC_URL: 'http://localhost:3000',
    KEYS_DIR: '.data/keys',
    TOKEN_AUDIENCE: 'tenantry',
    TOKEN_AUDIENCES: ['tenantry'],
    ACCESS_TOKEN_TTL: 900,
    REFRESH_TOKEN_TTL: 30 * 86_400,
    SESSION_MAX_AGE: 90 * 86_400,
    SESSION_RETENTION: 30 * 86_400,
    REFRESH_REUSE_GRACE: 10,
    REGISTRATION_MODE: 'open',
    PASSWORD_MIN_LENGTH: 8,
    PASSWORD_HASH_MEMORY_KIB: 19_456,
    PASSWORD_HASH_ITERATIONS: 2,
    PASSWORD_HASH_PARALLELISM: 1,
    TRIAL_DAYS: 14,
    TRIAL_TEAM_MEMBERS: 2,
    TRIAL_MESSAGES: 100,
    TRIAL_PHONE_NUMBERS: 1,
    CORS_ORIGINS: [],
    TRUSTED_PROXIES: [],
    RATE_LIMIT_ENABLED: true,
    RATE_LIMIT_SIGN_IN: 10,
    RATE_LIMIT_REFRESH: 60,
    RATE_LIMIT_OTHER: 600,
    LOGIN_FAILURES_MAX: 5,
    DOCS_ENABLED: true,
    LOG_LEVEL: 'info',
  };
  t.match(config, expected);
  t.equal(config.DATABASE_URL, undefined);
  t.ok(Object.isFrozen(config));
  const blank = Object.fromEntries(Object.keys(ENVIRONMENT).map((name) => [name, '']));
  t.same(readConfig(blank), config, 'empty counts as unset');
});

t.test('a value may be written in several ways', async (t) => {
  const durations = { '90': 90, '90s': 90, '2m': 120, '15m': 900 };
  for (const [written, seconds] of Object.entries(durations)) {
    t.equal(readConfig({ ACCESS_TOKEN_TTL: written }).ACCESS_TOKEN_TTL, seconds, written);
  }
  t.equal(readConfig({ SESSION_MAX_AGE: '31d', REFRESH_TOKEN_TTL: '12h' }).REFRESH_TOKEN_TTL, 43_200);
  t.strictSame(readConfig({ CORS_ORIGINS: 'https://a.example, http://localhost:5173 ,' }).CORS_ORIGINS, [
    'https://a.example',
    'http://localhost:5173',
  ]);
  t.strictSame(readConfig({ TRUSTED_PROXIES: '10.0.0.0/8,::1' }).TRUSTED_PROXIES, ['10.0.0.0/8', '::1']);
  t.equal(
    readConfig({ PUBLIC_URL: 'https://id.example.com/' }).PUBLIC_URL,
    'https://id.example.com',
    'no slash at the end',
  );
  t.equal(readConfig({ PORT: '8080' }).PUBLIC_URL, 'http://localhost:8080');
  t.equal(readConfig({ DATA_DIR: '/data' }).KEYS_DIR, '/data/keys');
});

t.test('a wrong value is refused with the name of its variable', async (t) => {
  const wrong: Record<string, string[]> = {
    NODE_ENV: ['prod', 'Production'],
    PORT: ['-1', '65536', '3000x', '1.5', '0x50', '1e3', '+80', ' 80', '8_0', 'Infinity'],
    TRIAL_DAYS: ['1e1', '0b1', '366'],
    PUBLIC_URL: [
      'localhost:3000',
      'ftp://id.example.com',
      'https://id.example.com/?a',
      'https://id.example.com/#a',
      'https://a:b@id.example.com',
      'https://@id.example.com',
      'https://id.example.com//',
      'https://id.example.com/a/../b',
      'https://id.example.com%0a',
      'https://id%2eexample.com',
      'https://id.example.com\\a',
      'https://',
    ],
    DATABASE_URL: ['mysql://db/x', 'db.internal', 'http://db/x'],
    DATABASE_POOL_SIZE: ['0', '201', 'many'],
    TOKEN_AUDIENCE: ['two words', 'ü', 'x'.repeat(201)],
    TOKEN_AUDIENCES: ['warehouse,two words', 'ü', 'x'.repeat(201)],
    ACCESS_TOKEN_TTL: ['29', '901', '16m', '1h', '15 m', '-5m', '1w', '1.5m'],
    REFRESH_TOKEN_TTL: ['59', '366d'],
    SESSION_MAX_AGE: ['59', '366d'],
    SESSIONS_PER_USER_MAX: ['0'],
    REFRESH_REUSE_GRACE: ['61', '2m'],
    REGISTRATION_MODE: ['Verified', 'on'],
    PASSWORD_MIN_LENGTH: ['7', '129'],
    PASSWORD_HASH_MEMORY_KIB: ['19455', '1024'],
    PASSWORD_HASH_ITERATIONS: ['1'],
    PASSWORD_HASH_PARALLELISM: ['0'],
    CORS_ORIGINS: [
      '*',
      'null',
      'https://a.example/',
      'https://a.example/path',
      'a.example',
      'https://*.example',
      'https://*',
    ],
    TRUSTED_PROXIES: ['*', 'true', 'loopback', '10.0.0.0/33', 'proxy.internal'],
    RATE_LIMIT_ENABLED: ['no', '0', 'TRUE'],
    PUBLIC_APP_URL: ['app.example.com', 'https://app.example.com/path'],
    SMTP_URL: ['mail.example.com', 'http://m.example', 'smtp://m.example/x', 'smtp://m.example?pool=true', 'smtp://'],
    MAIL_FROM: ['nobody', 'a@b.example, c@d.example', 'A <a@b.example> B', 'A\nBcc: x@y.example <a@b.example>'],
    INVITATION_TTL: ['4m', '31d'],
    INVITATION_MAILS_PER_DAY: ['0'],
    DOCS_ENABLED: ['1'],
    LOG_LEVEL: ['verbose'],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) t.strictSame(namesIn(problemsOf({ [name]: value })), [name], `${name}=${value}`);
  }
  const all = namesIn(problemsOf({ PORT: 'x', LOG_LEVEL: 'x', CORS_ORIGINS: '*' }));
  t.strictSame(all.sort(), ['CORS_ORIGINS', 'LOG_LEVEL', 'PORT'], 'all in one refusal');
});

t.test('a refusal says in one line what the value must be', async (t) => {
  t.strictSame(problemsOf({ PORT: '0x50' }), ['PORT: must be a whole number from 0 to 65535, in digits']);
  t.match(problemsOf({ PUBLIC_URL: 'https://a:b@id.example.com' })[0], /^PUBLIC_URL: .*without .*credentials/);
  t.strictSame(problemsOf({ CORS_ORIGINS: 'https://*.example' }), [
    'CORS_ORIGINS: must be an origin such as https://app.example.com',
  ]);
});

t.test('values that contradict each other are refused', async (t) => {
  const one = { DATABASE_APP_URL: 'postgres://app@db/x' };
  t.strictSame(namesIn(problemsOf(one)), ['DATABASE_APP_URL']);
  t.strictSame(namesIn(problemsOf({ DATABASE_SYSTEM_URL: 'postgres://system@db/x' })), ['DATABASE_APP_URL']);
  t.same(problemsOf({ ...one, DATABASE_SYSTEM_URL: 'postgres://system@db/x' }), []);
  t.strictSame(namesIn(problemsOf({ REFRESH_TOKEN_TTL: '31d', SESSION_MAX_AGE: '30d' })), ['REFRESH_TOKEN_TTL']);
  t.strictSame(namesIn(problemsOf({ REFRESH_TOKEN_TTL: '15m' })), ['REFRESH_TOKEN_TTL']);
  t.strictSame(namesIn(problemsOf({ PORT: '0' })), ['PUBLIC_URL']);
});

t.test('the list of audiences always has TOKEN_AUDIENCE, and never "*" or the issuer', async (t) => {
  const listed = (settings: Record<string, string>) => readConfig(settings).TOKEN_AUDIENCES;
  t.strictSame(listed({ TOKEN_AUDIENCES: ' warehouse, https://crm.example ,,warehouse' }), [
    'tenantry',
    'warehouse',
    'https://crm.example',
  ]);
  t.strictSame(listed({ TOKEN_AUDIENCE: 'api', TOKEN_AUDIENCES: 'warehouse,api' }), ['api', 'warehouse']);
  t.strictSame(namesIn(problemsOf({ TOKEN_AUDIENCE: '*' })), ['TOKEN_AUDIENCE']);
  const PUBLIC_URL = 'https://id.example.com';
  const issuers = ['', '/', '//', '/?', '/#', '/oauth/token', '/oauth/token/'].map((tail) => `${PUBLIC_URL}${tail}`);
  for (const bad of ['*', 'https://*.example', 'ware*', 'HTTPS://ID.Example.com', `${PUBLIC_URL}:443`, ...issuers]) {
    const problems = problemsOf({ PUBLIC_URL, TOKEN_AUDIENCES: `warehouse,${bad}` });
    t.strictSame(namesIn(problems), ['TOKEN_AUDIENCES'], bad);
    t.ok(problems[0]?.includes(bad), 'the line names the value');
  }
  t.same(problemsOf({ PUBLIC_URL, TOKEN_AUDIENCES: `${PUBLIC_URL}/crm,https://id.example.org` }), []);
  t.same(problemsOf({ PUBLIC_URL, TOKEN_AUDIENCE: PUBLIC_URL }), [], 'an installation that already has it starts');
});

t.test('production refuses values that are suitable only for development', async (t) => {
  t.same(problemsOf(PRODUCTION), []);
  t.match(readConfig(PRODUCTION), { production: true, DOCS_ENABLED: false });
  const without = (name: string) => ({ ...PRODUCTION, [name]: '' });
  for (const name of ['DATABASE_URL', 'PUBLIC_URL', 'KEYS_DIR'])
    t.strictSame(namesIn(problemsOf(without(name))), [name], name);
  t.strictSame(namesIn(problemsOf({ ...PRODUCTION, PUBLIC_URL: 'http://id.example.com' })), ['PUBLIC_URL']);
  t.strictSame(namesIn(problemsOf({ ...PRODUCTION, RATE_LIMIT_ENABLED: 'false' })), ['RATE_LIMIT_ENABLED']);
  for (const range of ['0.0.0.0/0', '::/0', '10.0.0.0/8,10.0.0.1/0']) {
    const problems = problemsOf({ ...PRODUCTION, TRUSTED_PROXIES: range });
    t.match(problems, [/^TRUSTED_PROXIES: \S+\/0 would let every client choose its own address/], range);
    t.equal(problems.length, 1);
    t.same(problemsOf({ TRUSTED_PROXIES: range }), [], 'allowed for a test behind a proxy');
  }
  t.same(problemsOf({ ...PRODUCTION, TRUSTED_PROXIES: '10.0.0.0/8,fd00::/8' }), []);
  t.strictSame(namesIn(problemsOf({ ...PRODUCTION, PUBLIC_APP_URL: 'http://app.example.com' })), ['PUBLIC_APP_URL']);
  t.strictSame(namesIn(problemsOf({ ...PRODUCTION, SMTP_URL: 'smtps://mail.example.com' })), ['MAIL_FROM']);
  t.strictSame(namesIn(problemsOf({ ...PRODUCTION, REGISTRATION_MODE: 'verified' })), ['SMTP_URL']);
  const mail = { SMTP_URL: 'smtps://u:p@mail.example.com:465', MAIL_FROM: 'Acme <no-reply@example.com>' };
  t.same(problemsOf({ ...PRODUCTION, ...mail }), []);
  const mixed = problemsOf({ ...PRODUCTION, CORS_ORIGINS: 'https://app.example.com,http://app.example.com' });
  t.strictSame(mixed, ['CORS_ORIGINS: http://app.example.com must be https in production']);
  const single = { JWT_ACCESS_PRIVATE_KEY_PATH: '/a.pem', JWT_REFRESH_PRIVATE_KEY_PATH: '/r.pem' };
  t.same(problemsOf({ ...PRODUCTION, ...single }), [], 'two single keys work as well');
  const withoutFolder = namesIn(problemsOf({ ...without('KEYS_DIR'), ...single }));
  t.strictSame(withoutFolder, ['KEYS_DIR'], 'the folder has the keys of personal data');
  t.strictSame(namesIn(problemsOf({ ...without('KEYS_DIR'), JWT_ACCESS_PRIVATE_KEY_PATH: '/a.pem' })), ['KEYS_DIR']);
  const roles = { DATABASE_APP_URL: 'postgres://app@db/x', DATABASE_SYSTEM_URL: 'postgres://system@db/x' };
  t.same(problemsOf({ ...without('DATABASE_URL'), ...roles }), [], 'the URL of the owner is not needed');
  t.equal(namesIn(problemsOf({ NODE_ENV: 'production' })).length, 3, 'all in one refusal');
});

t.test('a secret may be read from a file, and no other variable is read from one', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-config-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'secret');
  writeFileSync(file, 'postgres://owner:secret@db.internal/tenantry\n');
  const url = 'postgres://owner:secret@db.internal/tenantry';
  t.equal(readConfig({ DATABASE_URL_FILE: file }).DATABASE_URL, url, 'without the last line break');
  t.equal(readConfig({ DATABASE_URL_FILE: file, DATABASE_URL: '' }).DATABASE_URL, url);
  t.strictSame(namesIn(problemsOf({ DATABASE_URL_FILE: file, DATABASE_URL: url })), ['DATABASE_URL']);
  const missing = problemsOf({ KEYS_PASSPHRASE_FILE: join(folder, 'missing') });
  t.strictSame(namesIn(missing), ['KEYS_PASSPHRASE_FILE']);
  t.match(missing[0], 'ENOENT');
  writeFileSync(file, 'not a URL');
  const refused = problemsOf({ DATABASE_URL_FILE: file });
  t.strictSame(namesIn(refused), ['DATABASE_URL']);
  t.notMatch(refused.join(), 'not a URL', 'the refusal does not contain the secret');
  t.equal(readConfig({ LOG_LEVEL_FILE: file }).LOG_LEVEL, 'info');
  const secrets = Object.entries(ENVIRONMENT).filter(([, schema]) => schema.meta()?.secret === true);
  t.strictSame(
    secrets.map(([name]) => name),
    ['DATABASE_URL', 'DATABASE_APP_URL', 'DATABASE_SYSTEM_URL', 'REDIS_URL', 'KEYS_PASSPHRASE', 'SMTP_URL'],
  );
});

t.test('every variable has a description', async (t) => {
  for (const [name, schema] of Object.entries(ENVIRONMENT)) t.match(schema.meta()?.description, /^.{10,}\.$/, name);
});

t.test('a mail URL whose user or password is not percent-encoded is refused, and the error shows how', async (t) => {
  const refused = problemsOf({ SMTP_URL: 'smtp://user:50%off@mail.example' });
  t.match(refused, [/^SMTP_URL: .*%25/]);
  t.equal(refused.length, 1);
  t.same(problemsOf({ SMTP_URL: 'smtp://user:50%25off@mail.example' }), []);
});

t.test('production refuses a sender address on localhost, with and without angle brackets', async (t) => {
  const mail = { ...PRODUCTION, SMTP_URL: 'smtps://user:secret@mail.example' };
  for (const from of ['no-reply@localhost', 'Tenantry <no-reply@LOCALHOST>']) {
    t.match(problemsOf({ ...mail, MAIL_FROM: from }), [/^MAIL_FROM: is required in production/], from);
  }
  t.same(problemsOf({ ...mail, MAIL_FROM: 'no-reply@example.com' }), []);
});

t.test('production serves for five seconds after the signal to stop, unless a setting says otherwise', async (t) => {
  t.equal(readConfig({}).SHUTDOWN_DELAY, 0);
  t.equal(readConfig({ NODE_ENV: 'test' }).SHUTDOWN_DELAY, 0);
  t.equal(readConfig(PRODUCTION).SHUTDOWN_DELAY, 5);
  t.equal(readConfig({ ...PRODUCTION, SHUTDOWN_DELAY: '0' }).SHUTDOWN_DELAY, 0);
  t.equal(readConfig({ SHUTDOWN_DELAY: '2m' }).SHUTDOWN_DELAY, 120);
  t.match(problemsOf({ SHUTDOWN_DELAY: '6m' }), [/^SHUTDOWN_DELAY: must be between 0 and 300 seconds/]);
});

t.test('https for all subdomains can be required only together with an https URL', async (t) => {
  t.equal(readConfig(PRODUCTION).HSTS_INCLUDE_SUBDOMAINS, false);
  t.equal(readConfig({ ...PRODUCTION, HSTS_INCLUDE_SUBDOMAINS: 'true' }).HSTS_INCLUDE_SUBDOMAINS, true);
  t.match(problemsOf({ HSTS_INCLUDE_SUBDOMAINS: 'true' }), [/^HSTS_INCLUDE_SUBDOMAINS: needs a PUBLIC_URL with https/]);
});
