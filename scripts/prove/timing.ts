// Proves: how long a refused login takes does not tell whether the e-mail is known. `prove:timing [calls]`: so many
// calls of each kind, one at a time, in changing order.
import { randomInt, randomUUID } from 'node:crypto';
import { type Api, newAccount, openApi } from '../../test/support/client.ts';
import { demand } from './proof.ts';
import { onStage } from './stage.ts';

const [calls = 200] = process.argv.slice(2).map(Number);
const WARM_UP_CALLS = 10;
const DIFFERENCE_MAX = 0.05;

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

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

await onStage({ name: 'timing', disposable: true }, async (stage) => {
  demand(calls > 0 && calls < 990, 'usage: prove:timing [calls, less than 990]');
  const service = await stage.startService({ settings: { LOGIN_FAILURES_MAX: '1000' } });
  const api = openApi(service.url);
  const { email } = await newAccount(api);
  const emails: Record<Kind, () => string> = {
    known: () => email,
    unknown: () => `nobody-${randomUUID()}@example.com`,
    // The known address, in a form that is none.
    malformed: () => email.replace('@', '@@'),
  };
  const kinds: Kind[] = ['known', 'unknown', 'malformed'];
  const durations: Record<Kind, number[]> = { known: [], unknown: [], malformed: [] };
  for (let call = -WARM_UP_CALLS; call < calls; call += 1) {
    for (const kind of shuffled(kinds)) {
      const milliseconds = await refusedLogin(api, emails[kind]());
      if (call >= 0) durations[kind].push(milliseconds);
    }
  }
  const known = median(durations.known);
  const told = kinds.map((kind) => `${kind} ${median(durations[kind]).toFixed(2)} ms`).join(', ');
  const difference = (kind: Kind) => (median(durations[kind]) - known) / known;
  const percent = (kind: Kind) => `${(100 * difference(kind)).toFixed(1)} %`;
  const differences = `unknown ${percent('unknown')}, malformed ${percent('malformed')} from known`;
  const isAlike =
    Math.abs(difference('unknown')) < DIFFERENCE_MAX && Math.abs(difference('malformed')) < DIFFERENCE_MAX;
  demand(isAlike, `medians of ${calls} refused logins differ: ${told}: ${differences}`);
  return `SHOWN: medians of ${calls} refused logins each: ${told}; ${differences}, less than 5 %`;
});
