// Proves: the duration of a refused login does not reveal whether the e-mail is known. `prove:timing [calls]`: the
// number of calls of each kind, one at a time, in changing order. On a busy machine it makes up to five times as many
// calls, until the confidence intervals of the medians are narrow. The moment at which it stops does not depend on the
// difference of the medians.
import { randomInt, randomUUID } from 'node:crypto';
import { type Api, openApi } from '../../test/support/client.ts';
import { newAccount } from '../../test/support/fixtures/accounts.ts';
import { demand } from './proof.ts';
import { withTestbed } from './testbed.ts';

const [calls = 200] = process.argv.slice(2).map(Number);
const WARM_UP_CALLS = 10;
const DIFFERENCE_MAX = 0.05;
const SERIES_MAX = 5;
const UNCERTAINTY_MAX = 0.015;

type Kind = 'known' | 'unknown' | 'malformed';

async function refusedLogin(api: Api, email: string): Promise<number> {
  const begun = performance.now();
  const reply = await api.post('/auth/login', { email, password: `wrong ${randomUUID()}` });
  const milliseconds = performance.now() - begun;
  demand(reply.code === 'invalid_credentials', `a login of ${email} answered ${reply.status}: ${reply.text}`);
  return milliseconds;
}

function shuffled<T>(values: readonly T[]): T[] {
  const left = [...values];
  return values.flatMap(() => left.splice(randomInt(left.length), 1));
}

interface Median {
  readonly value: number;
  /** Half of the median's 95 % confidence interval, from the ranks around the middle. */
  readonly uncertainty: number;
}

function medianOf(values: readonly number[]): Median {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (rank: number) => sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(rank)))] ?? 0;
  const middle = sorted.length / 2;
  const ranks = 0.98 * Math.sqrt(sorted.length);
  return { value: at(middle), uncertainty: (at(middle + ranks) - at(middle - ranks)) / 2 };
}

await withTestbed({ name: 'timing', disposable: true }, async (testbed) => {
  demand(calls > 0 && calls < 990, 'usage: prove:timing [calls, less than 990]');
  const service = await testbed.startService({ settings: { LOGIN_FAILURES_MAX: '1000' } });
  const api = openApi(service.url);
  const kinds: Kind[] = ['known', 'unknown', 'malformed'];
  const durations: Record<Kind, number[]> = { known: [], unknown: [], malformed: [] };
  const isSettled = () =>
    kinds
      .map((kind) => medianOf(durations[kind]))
      .every(({ value, uncertainty }) => uncertainty < UNCERTAINTY_MAX * value);
  let series = 0;
  do {
    // Each series has its own account, because failures are counted for each account.
    const { email } = await newAccount(api);
    const emails: Record<Kind, () => string> = {
      known: () => email,
      unknown: () => `nobody-${randomUUID()}@example.com`,
      // The known address in a malformed spelling.
      malformed: () => email.replace('@', '@@'),
    };
    for (let call = -WARM_UP_CALLS; call < calls; call += 1) {
      for (const kind of shuffled(kinds)) {
        const milliseconds = await refusedLogin(api, emails[kind]());
        if (call >= 0) durations[kind].push(milliseconds);
      }
    }
    series += 1;
  } while (!isSettled() && series < SERIES_MAX);
  const known = medianOf(durations.known).value;
  const told = kinds
    .map((kind) => ({ kind, ...medianOf(durations[kind]) }))
    .map(({ kind, value, uncertainty }) => `${kind} ${value.toFixed(2)} ± ${uncertainty.toFixed(2)} ms`)
    .join(', ');
  const difference = (kind: Kind) => (medianOf(durations[kind]).value - known) / known;
  const percent = (kind: Kind) => `${(100 * difference(kind)).toFixed(1)} %`;
  const differences = `unknown ${percent('unknown')}, malformed ${percent('malformed')} from known`;
  const isAlike =
    Math.abs(difference('unknown')) < DIFFERENCE_MAX && Math.abs(difference('malformed')) < DIFFERENCE_MAX;
  const what = `medians of ${durations.known.length} refused logins each: ${told}; ${differences}`;
  demand(isAlike, `${what}, which is 5 % or more`);
  return `SHOWN: ${what}, less than 5 %`;
});
