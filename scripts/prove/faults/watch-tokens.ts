// Presents tokens again and again in several ways: access tokens to services and to a verifier, and refresh tokens to
// services. The caller decides which answers are right.
import { setTimeout as delay } from 'node:timers/promises';
import { VerificationError, type Verifier } from '../../../src/verifier/index.ts';
import { openApi } from '../../../test/support/client.ts';
import type { Account } from '../../../test/support/fixtures/accounts.ts';
import { demand } from '../proof.ts';
import type { Service } from '../testbed.ts';

export type Holder = Account;

export interface Answers {
  /** The number of answers with this status, or with this code of a problem. */
  of(code: string): number;
  /** The number of answers whose status begins with this text. */
  statuses(status: string): number;
  total(): number;
  /** How many holders were refused at least once at every checker. */
  refusedHolders(): number;
  shown(): string;
  /** Where tokens were accepted. */
  accepted(): string;
}

export interface Following {
  /** Also presents the tokens to this service from now on. */
  also(service: Service): void;
  /** Forgets the answers so far. */
  forget(): void;
  end(): Promise<Answers>;
}

export interface Watch {
  /** Presents the tokens until `end`, which raises an error if a request got no answer. */
  follow(holders: readonly Holder[], services: readonly Service[]): Following;
  /** Presents each token once. */
  once(holders: readonly Holder[], services: readonly Service[]): Promise<Answers>;
  /** Resolves when the access tokens are refused everywhere. */
  untilRefused(holders: readonly Holder[], services: readonly Service[]): Promise<void>;
}

const BETWEEN_MILLISECONDS = 100;
const REFUSED_MILLISECONDS_MAX = 15_000;

interface Answer {
  readonly checker: string;
  readonly holder: string;
  readonly status: string;
  readonly code: string;
}

function answersOf(all: readonly Answer[]): Answers {
  const counts = new Map<string, number>();
  const checkers = new Set(all.map(({ checker }) => checker));
  const refusals = new Map<string, Set<string>>();
  for (const { checker, holder, status, code } of all) {
    counts.set(code, (counts.get(code) ?? 0) + 1);
    if (status === '401' || status === '503') refusals.set(holder, (refusals.get(holder) ?? new Set()).add(checker));
  }
  return {
    of: (code) => counts.get(code) ?? 0,
    statuses: (wanted) => all.filter(({ status }) => status === wanted).length,
    total: () => all.length,
    refusedHolders: () => [...refusals.values()].filter((each) => each.size === checkers.size).length,
    accepted: () => [...new Set(all.filter(({ status }) => status === '200').map(({ checker }) => checker))].join(', '),
    shown: () => [...counts].map(([code, count]) => `${count} × ${code}`).join(', ') || 'nothing',
  };
}

/** Opens a watch that also presents the tokens to this verifier. */
export function openWatch(verifier: Verifier): Watch {
  // A refresh token of a live session is replaced by each use, so the newest one is presented.
  const newest = new Map<string, string>();

  async function atService({ url, port }: Service, { accessToken: token, refreshToken, sessionId }: Holder) {
    const api = openApi(url);
    const answers: Answer[] = [];
    const add = (what: string, { status, code }: { status: number; code: string | null }) =>
      answers.push({
        checker: `${what} at ${port}`,
        holder: sessionId,
        status: String(status),
        code: code ?? `${status}`,
      });
    add('me', await api.get('/me', { token }));
    add('verify', await api.get('/verify', { token }));
    const refreshed = await api.post('/auth/refresh', { refreshToken: newest.get(sessionId) ?? refreshToken });
    add('refresh', refreshed);
    if (refreshed.status === 200) newest.set(sessionId, refreshed.body.data.refreshToken);
    return answers;
  }

  async function atVerifier({ accessToken, sessionId }: Holder): Promise<Answer> {
    const known = { checker: 'the verifier', holder: sessionId };
    try {
      await verifier.verify(accessToken);
      return { ...known, status: '200', code: '200' };
    } catch (error) {
      if (!(error instanceof VerificationError)) throw error;
      return { ...known, status: String(error.status), code: `${error.code} (verifier)` };
    }
  }

  async function present(holders: readonly Holder[], services: readonly Service[]): Promise<Answer[]> {
    const each = holders.map(async (holder) => {
      const answers = [await atVerifier(holder)];
      for (const service of services) answers.push(...(await atService(service, holder)));
      return answers;
    });
    return (await Promise.all(each)).flat();
  }

  return {
    follow(holders, services) {
      const asked = [...services];
      let answers: Answer[] = [];
      let isOver = false;
      const work = async () => {
        while (!isOver) {
          answers.push(...(await present(holders, asked)));
          await delay(BETWEEN_MILLISECONDS);
        }
      };
      // The error is raised by `end`.
      const working = work();
      working.catch(() => undefined);
      return {
        also: (service) => void asked.push(service),
        forget: () => {
          answers = [];
        },
        async end() {
          isOver = true;
          await working;
          return answersOf(answers);
        },
      };
    },
    once: async (holders, services) => answersOf(await present(holders, services)),
    async untilRefused(holders, services) {
      const begun = performance.now();
      const isAccepted = async () => (await present(holders, services)).some(({ status }) => status === '200');
      while (await isAccepted()) {
        demand(performance.now() - begun < REFUSED_MILLISECONDS_MAX, 'a logout does not reach every process');
        await delay(BETWEEN_MILLISECONDS);
      }
    },
  };
}
