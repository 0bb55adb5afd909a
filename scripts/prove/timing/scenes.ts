// The calls whose duration must not say whether an e-mail address has an account, or how many mails were sent to it.
// Every call uses an address of its own where the number of mails to an address is limited, so that none is beyond its
// budget by chance.
import { randomUUID } from 'node:crypto';
import type { Personal } from '../../../src/base/secrets/personal.ts';
import { hashArgon2, type PasswordParameters } from '../../../src/credentials/passwords/argon2.ts';
import type { Api, Reply } from '../../../test/support/client.ts';
import { insertPeople } from '../../../test/support/personal.ts';
import { demand } from '../proof.ts';
import type { PrepareCall, Scene } from './compare.ts';

export interface SceneDeps {
  readonly api: Api;
  readonly database: { query(text: string, values: unknown[]): Promise<unknown> };
  readonly personal: Personal;
  /** The cost of the hashes of inserted accounts. */
  readonly parameters: PasswordParameters;
}

const PASSWORD = 'eleven paper windmills';

interface Person {
  readonly id: string;
  readonly email: string;
}

/**
 * Inserts accounts, all with the password `PASSWORD`. One hash serves for all of them, because no password is guessed
 * here.
 */
async function people({ database, personal, parameters }: SceneDeps, count: number): Promise<Person[]> {
  const made = Array.from({ length: count }, () => {
    const id = randomUUID();
    return { id, email: `known-${id}@example.com`, name: 'Ada Lovelace' };
  });
  await insertPeople(database, made, personal);
  await database.query('INSERT INTO passwords (user_id, hash) SELECT unnest($1::uuid[]), $2', [
    made.map(({ id }) => id),
    await hashArgon2(PASSWORD, parameters),
  ]);
  return made;
}

const unknown = () => `nobody-${randomUUID()}@example.com`;

function answering(status: number, code: string | null, call: () => Promise<Reply>): () => Promise<void> {
  return async () => {
    const reply = await call();
    demand(reply.status === status && reply.code === code, `the answer was ${reply.status}: ${reply.text}`);
  };
}

/** Each call takes the next value. */
function each<Value>(values: readonly Value[], prepare: (value: Value) => () => Promise<unknown>): PrepareCall {
  const left = [...values];
  return () => {
    const value = left.shift();
    demand(value !== undefined, 'there are more calls than values');
    return prepare(value);
  };
}

/** Refused sign-ins. Every account has a hash of the cost in `parameters`, whatever the cost of the service is. */
export function loginScene(deps: SceneDeps, name: string): Scene<'known' | 'unknown' | 'malformed'> {
  const login = (email: string) =>
    answering(401, 'invalid_credentials', () =>
      deps.api.post('/auth/login', { email, password: `wrong ${randomUUID()}` }),
    );
  return {
    name,
    kinds: ['known', 'unknown', 'malformed'],
    async openSeries(calls) {
      const made = await people(deps, calls);
      return {
        known: each(made, ({ email }) => login(email)),
        unknown: () => login(unknown()),
        malformed: each(made, ({ email }) => login(email.replace('@', '@@'))),
      };
    },
  };
}

/** Registrations with REGISTRATION_MODE=verified: the address of `spent` has had all of its mails. */
export function registerScene(deps: SceneDeps): Scene<'unknown' | 'known' | 'spent'> {
  const register = (email: string) =>
    answering(202, null, () => deps.api.post('/auth/register', { email, password: PASSWORD, name: 'Ada Lovelace' }));
  return {
    name: 'POST /auth/register with REGISTRATION_MODE=verified',
    kinds: ['unknown', 'known', 'spent'],
    async openSeries(calls) {
      const spent = unknown();
      for (let mail = 0; mail < 6; mail += 1) await register(spent)();
      return {
        unknown: () => register(unknown()),
        known: each(await people(deps, calls), ({ email }) => register(email)),
        spent: () => register(spent),
      };
    },
  };
}

export function forgotScene(deps: SceneDeps): Scene<'unknown' | 'known'> {
  const forgot = (email: string) => answering(202, null, () => deps.api.post('/auth/forgot-password', { email }));
  return {
    name: 'POST /auth/forgot-password',
    kinds: ['unknown', 'known'],
    openSeries: async (calls) => ({
      unknown: () => forgot(unknown()),
      known: each(await people(deps, calls), ({ email }) => forgot(email)),
    }),
  };
}

async function signedIn(deps: SceneDeps, email: string): Promise<string> {
  const reply = await deps.api.post('/auth/login', { email, password: PASSWORD });
  demand(reply.status === 200, `a sign-in answered ${reply.status}: ${reply.text}`);
  return reply.body.data.accessToken;
}

const MAILS_OF_HOUR = 5;

/** Mails that prove an address, within the budget of the address and beyond it. */
export function resendScene(deps: SceneDeps): Scene<'within' | 'beyond'> {
  const resend = (token: string) =>
    answering(202, null, () => deps.api.post('/auth/verify-email/resend', undefined, { token }));
  return {
    name: 'POST /auth/verify-email/resend',
    kinds: ['within', 'beyond'],
    async openSeries(calls) {
      // Both kinds use each token for the same number of calls, before the measurement and in it, so neither finds more
      // of its data in caches.
      const users = Math.ceil(calls / MAILS_OF_HOUR);
      const made = await people(deps, 2 * users);
      const ids = made.map(({ id }) => id);
      await deps.database.query('UPDATE users SET email_verified_at = NULL WHERE id = ANY($1::uuid[])', [ids]);
      const tokens: string[] = [];
      for (const { email } of made) tokens.push(await signedIn(deps, email));
      const [within, beyond] = [tokens.slice(0, users), tokens.slice(users)];
      for (let mail = 0; mail < MAILS_OF_HOUR; mail += 1) {
        for (const token of beyond) await resend(token)();
        for (const token of within) await deps.api.get('/me', { token });
      }
      const often = (some: readonly string[]) =>
        some.flatMap((token) => Array.from({ length: MAILS_OF_HOUR }, () => token));
      return { within: each(often(within), resend), beyond: each(often(beyond), resend) };
    },
  };
}

/** Changes of the address to one that nobody has, and to one that another account has. */
export function emailScene(deps: SceneDeps): Scene<'free' | 'taken'> {
  return {
    name: 'POST /me/email',
    kinds: ['free', 'taken'],
    async openSeries(calls) {
      const owners = await people(deps, Math.ceil((2 * calls) / MAILS_OF_HOUR));
      const taken = await people(deps, calls);
      let token = '';
      let asked = 0;
      // A user may request MAILS_OF_HOUR changes in an hour, and the password of a sign-in counts as proof for five
      // minutes.
      const change = (newEmail: string) => async () => {
        const owner = owners[Math.floor(asked / MAILS_OF_HOUR)];
        if (asked % MAILS_OF_HOUR === 0) token = await signedIn(deps, owner?.email ?? '');
        asked += 1;
        return answering(202, null, () => deps.api.post('/me/email', { newEmail }, { token }));
      };
      return {
        free: () => change(unknown())(),
        taken: () => change(taken.shift()?.email ?? '')(),
      };
    },
  };
}
