// Which passwords are too easy to guess, and that estimating them neither blocks the process nor fills its memory.
import { createHash } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import t from 'tap';
import { estimateGuesses } from '../../../src/credentials/passwords/estimate.ts';
import { openPasswordPolicy, type PasswordContext } from '../../../src/credentials/passwords/policy.ts';
import { openStrength, StrengthUnknown } from '../../../src/credentials/passwords/strength.ts';
import { cases } from '../../support/thorough.ts';
import { until } from '../../support/until.ts';

const ADA: PasswordContext = {
  email: 'ada.lovelace@example.org',
  name: 'Ada Lovelace',
  organizationName: 'Acme Rockets',
};
// The estimates run in this thread, so that a test needs no other thread.
const strength = {
  estimate: async ({ password, words, enough }: { password: string; words: readonly string[]; enough: number }) =>
    estimateGuesses(password, words, enough),
};
const { judge, assertGood } = openPasswordPolicy({ minLength: 8, words: ['tenantry', 'id.example.com'], strength });
const problemOf = async (password: string, context = ADA) => (await judge(password, context))?.problem ?? null;

const GUESSABLE: Readonly<Record<string, readonly string[]>> = {
  'well-known examples': 'Password123! P@ssw0rd1 Admin@123 1234567890123456 Tenantry2026'.split(' '),
  'names of the person': [
    'Ada Lovelace',
    'AdaLovelace',
    'lovelace123',
    'Lovelace1815!',
    'ada.lovelace1',
    'LovelaceAda1',
    'Ada2026!',
  ],
  'names of the organization and the product': [
    'Acme2024!',
    'AcmeRockets1',
    'acme-acme-acme',
    'Tenantry!Tenantry!',
    'T3n4ntry123',
  ],
  'keyboard patterns':
    'qwertyuiop 1qaz2wsx asdfghjkl; zxcvbnm,./ !QAZ2wsx 1q2w3e4r5t 123qweasdzxc qwerty123456 zaq12wsx'.split(' '),
  'repetitions and sequences':
    'aaaaaaaaaaaa abcabcabcabc abcdefgh 87654321 11112222 112233445566 abcd1234 dragondragon'.split(' '),
  'dates and numbers': '19851224 24-12-1985 20261129 2026-11-29 0987654321 147258369'.split(' '),
  'a common word with a year or signs':
    'Summer2025! Winter2024 Welcome@2024 letmein2024!! Monkey!1987 Iloveyou2024! Football1! guest2024! root1234! Changeme2024! Liverpool1892 !!password!!'.split(
      ' ',
    ),
  'changed letters': 'P4ssw0rd pa$$w0rd2024 Pa55word! Ch@ngeMe123 S3cret123'.split(' '),
  'doubled words': 'passwordpassword secretsecret Password1Password1 testtest'.split(' '),
  'other languages': [
    'Senha123!',
    'contraseña123',
    'Contraseña1',
    'Verao2025!',
    'Invierno2023',
    'passwort123',
    'motdepasse1',
  ],
  'other scripts and layouts': [
    'Пароль123',
    'йцукенгш',
    'йцукен123',
    'qwerтy123',
    '密码密码密码密码',
    'Ｐａｓｓｗｏｒｄ１２３',
    'p a s s w o r d',
  ],
};

for (const [kind, passwords] of Object.entries(GUESSABLE)) {
  t.test(`refused as a password: ${kind}`, async (t) => {
    for (const password of passwords) {
      t.match(await problemOf(password), /^(guessable|common|matches_context)$/, password);
    }
  });
}

t.test('ordinary good passwords are accepted, in many scripts', async (t) => {
  const good = [
    ...['purple bicycle marmalade', 'tulip-anchor-fog', 'staple zebra lunch', 'gravel umbrella tuesday'],
    ...['a long enough phrase', 'kettleprismbanjo', 'meu gato dorme no telhado', 'el perro azul come queso'],
    ...['x7Kp2mQzW9vL', 'aB3$kL9!pQ2z', 'vK92nQmx', '9f86d081884c', 'Xy7-Qp2-Lm9', 'blue42Horse?Cactus'],
    ...['кошка гуляет по крыше', 'зеленый трактор поёт', 'мой дядя самых честных правил'],
    ...['今日天气非常好啊', '我家的猫喜欢吃苹果', '春眠暁を覚えず処処', 'さくらのはなびらが', '비밀번호는비밀이야'],
    ...['🐙🚲🌵🎻🍋🚀🦊🧲', 'السماء صافية اليوم', 'ดวงจันทร์คืนนี้สวย', 'η θάλασσα είναι ήρεμη'],
    ...['It was a bright cold day in April', `Ada Lovelace ${'writes programs '.repeat(15)}`],
    `${'a'.repeat(64)}purple bicycle marmalade`,
  ];
  for (const password of good) t.equal(await problemOf(password), null, password);
});

// Returns the same texts in every run, so that the test does not depend on luck.
function generated(alphabet: string, length: number, count: number): string[] {
  return Array.from({ length: count }, (_, number) =>
    [...createHash('sha512').update(`${alphabet} ${number}`).digest()]
      .filter((byte) => byte < 256 - (256 % alphabet.length))
      .slice(0, length)
      .map((byte) => alphabet[byte % alphabet.length])
      .join(''),
  );
}

/** The number of generated passwords of each kind. The limits below are per thousand. */
const COUNT = cases(1000);

t.test(
  'passwords of a generator are accepted: of those with eight letters and digits, fewer than 0.5 % are not',
  async (t) => {
    const [small, digits, signs] = ['abcdefghijklmnopqrstuvwxyz', '0123456789', '!#$%&*+-=?@^_.'];
    const letters = small + small.toUpperCase();
    for (const [alphabet, length, refusedMax] of [
      [letters + digits, 8, 4],
      [letters + digits + signs, 8, 15],
      [letters + digits, 12, 0],
      [small + digits, 12, 4],
      [small, 12, 2],
      ['0123456789abcdef', 16, 2],
    ] as const) {
      const passwords = generated(alphabet, length, COUNT);
      t.equal(new Set(passwords.map(({ length }) => length)).size, 1);
      const judged = await Promise.all(
        passwords.map(async (password) => ((await problemOf(password)) ? [password] : [])),
      );
      const refused = judged.flat();
      t.ok(refused.length <= (refusedMax * COUNT) / 1000, `${length} of ${alphabet}: ${refused.join(' ')}`);
    }
  },
);

t.test('abbreviations and names with years, digits and signs are refused', async (t) => {
  const chosen =
    'Bjk1903! Ny2024!! Bmw-2020 Php12345! Grrr1234! Dhcp1234 Xfce2024 X7x7x7x7 Kaputt12! Cr7ronaldo Hallo123!';
  for (const password of chosen.split(' ')) t.equal(await problemOf(password), 'guessable', password);
});

t.test('the same password is refused for the person whose words it has, and accepted for others', async (t) => {
  const about = 'Brzeczyszczykiewicz1';
  t.equal(await problemOf(about, {}), null);
  t.equal(await problemOf(about, { name: 'Grzegorz Brzeczyszczykiewicz' }), 'guessable');
  t.equal(await problemOf(about, { email: 'g.brzeczyszczykiewicz@example.org' }), 'guessable');
  t.equal(await problemOf(about, { organizationName: 'Brzeczyszczykiewicz & Sons' }), 'guessable');
  t.equal(await problemOf('Grzegorz Brzeczyszczykiewicz', { name: 'grzegorz brzeczyszczykiewicz' }), 'matches_context');
});

t.test('the refusal says what to do, and is a validation problem of the password', async (t) => {
  await t.rejects(assertGood('Winter2024', {}), {
    code: 'validation_failed',
    extras: { issues: [{ path: 'password', message: /unrelated words/ }] },
  });
  await t.resolves(assertGood('purple bicycle marmalade', {}));
});

t.test('a hostile password is estimated in bounded work', async (t) => {
  const hostile = [
    '4@8({[<369&#!1/|0$5+7%2',
    's5$z2',
    'aA4@',
    'l1!|',
    '1/1/2020',
    '@4(3!1|$5+7',
    'ab',
    '4',
    'ﷺ',
    'ё',
    '😀',
  ];
  for (const text of hostile) {
    const password = [...text.repeat(256)].slice(0, 256).join('');
    const guesses = estimateGuesses(password, [text.repeat(20)], 8);
    t.ok(Number.isFinite(guesses), `${text} …`);
  }
});

t.test('a thread starts with the first estimate, ends after a pause, and another one answers later', async (t) => {
  const threads: Worker[] = [];
  const note = (thread: Worker) => void threads.push(thread);
  process.on('worker', note);
  t.teardown(() => process.off('worker', note));
  const hasEnded = (thread: Worker | undefined) => thread?.threadId === -1;
  const estimating = openStrength({ idleMs: 10, waitMsMax: 120_000, answerMsMax: 120_000 });
  await new Promise(setImmediate);
  t.equal(threads.length, 0, 'no thread while nobody sets a password');
  const question = { words: [], enough: 8 };
  const answers = ['Winter2024', 'purple bicycle marmalade', '12345678'].map((password) =>
    estimating.estimate({ ...question, password }),
  );
  const [weak = 9, good = 0, digits = 9] = await Promise.all(answers);
  t.ok(weak < 8 && good > 8 && digits < 8, 'each gets its own answer');
  await until(() => threads.every(hasEnded));
  const before = threads.length;
  t.ok(before > 0);
  t.ok((await estimating.estimate({ ...question, password: 'Winter2024' })) < 8);
  t.equal(threads.length, before + 1, 'a new thread has answered');
});

t.test('an estimate that takes too long is refused', async (t) => {
  const slow = openStrength({ answerMsMax: 1, loadMsMax: 1 });
  const question = { password: 'purple bicycle marmalade', words: [], enough: 8 };
  const settled = await Promise.allSettled([slow.estimate(question), slow.estimate(question)]);
  for (const one of settled) t.ok(one.status === 'rejected' && one.reason instanceof StrengthUnknown);
  const policy = openPasswordPolicy({ minLength: 8, words: [], strength: slow });
  await t.rejects(policy.judge('purple bicycle marmalade', {}), { code: 'service_busy' });
  t.equal((await policy.judge('12345678', {}))?.problem, 'common', 'the other checks need no estimate');
});

t.test('a password that is set while the dictionaries load waits for them, and is judged', async (t) => {
  const policy = openPasswordPolicy({ minLength: 8, words: [], strength: openStrength({ waitMsMax: 120_000 }) });
  const first = await Promise.all(['Winter2024', 'purple bicycle marmalade'].map((word) => policy.judge(word, {})));
  t.match(first, [{ problem: 'guessable' }, null]);
});

t.test('a password whose estimate does not come in time is neither set nor refused for good', async (t) => {
  // A thread that loads for ever.
  const script = new URL('data:text/javascript,setInterval(() => {}, 1000)');
  const strength = openStrength({ script, waitMsMax: 30, loadMsMax: 200 });
  const policy = openPasswordPolicy({ minLength: 8, words: [], strength });
  for (const _ of [1, 2]) {
    await t.rejects(policy.assertGood('purple bicycle marmalade', {}), {
      code: 'service_busy',
      extras: { retryAfterSeconds: 5 },
    });
  }
});
