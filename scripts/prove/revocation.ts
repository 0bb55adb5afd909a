// Proves: while Redis is stopped, killed, flushed and cut off at random moments, no verifier accepts a revoked token
// after the allowed time, and none refuses a good token. The proof also shows that it detects a replica that does not
// read the stream. `prove:revocation [events] [seed]`.
import { demand } from './proof.ts';
import { type Driven, drive, numberToken } from './revocation/drive.ts';
import { type Faults, seeded, startFaults } from './revocation/faults.ts';
import { judgeHistory, latencies, quantile, type TokenHistory, type Violation } from './revocation/history.ts';
import { openSetup, type Setup } from './revocation/setup.ts';
import { KINDS, type Kind, openTargets } from './revocation/targets.ts';
import { startVerifiers } from './revocation/verifiers.ts';
import { type Testbed, withTestbed } from './testbed.ts';

const [events = 5_000, seed = Math.floor(performance.timeOrigin) % 1_000_000] = process.argv.slice(2).map(Number);
const BYSTANDERS = 20;
const LANES = 40;
/** The pause of a verifier process between two checks of all its tokens. */
const CHECK_EVERY_MILLISECONDS = 10;
/** Without the stream, revocations are read from PostgreSQL every second. */
const BOUND_MILLISECONDS = 1_500;
/**
 * With the stream a token ends within milliseconds. The bound is larger, because many processes may share two cores.
 */
const TIGHT_MILLISECONDS = 500;
const WITHOUT_READER_EVENTS = 60;

// Most revocations end sessions. Some change members, clients and organizations.
const MIX: readonly (readonly [Kind, number])[] = [
  ['logout', 0.66],
  ['ended by an admin', 0.14],
  ['role changed', 0.12],
  ['client rotated', 0.06],
  ['organization suspended', 0.02],
];

function picker(random: () => number): () => Kind {
  return () => {
    let left = random();
    for (const [kind, share] of MIX) {
      left -= share;
      if (left < 0) return kind;
    }
    return 'logout';
  };
}

/** Adds the bound of each token. The tight bound applies if there was no fault during the token's revocation. */
function historyOf({ outcomes }: Driven, faults: Pick<Faults, 'wasHealthy'>): TokenHistory[] {
  return outcomes.map(({ token, asked, acknowledged }) => {
    const calm = faults.wasHealthy(asked - 100, acknowledged + TIGHT_MILLISECONDS);
    return {
      token,
      revocation: { asked, acknowledged, boundMilliseconds: calm ? TIGHT_MILLISECONDS : BOUND_MILLISECONDS },
    };
  });
}

function shown(violations: readonly Violation[], { outcomes }: Driven): string {
  const kinds = new Map<number, string>(outcomes.map(({ token, kind }) => [token, kind]));
  const counts = new Map<string, number>();
  for (const { kind, token } of violations) {
    const name = `${kind} (${kinds.get(token) ?? 'not revoked'})`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const worst = violations.toSorted((a, b) => b.by - a.by)[0];
  const parts = [...counts].map(([name, count]) => `${count} × ${name}`);
  return `${parts.join(', ')}; the worst: ${JSON.stringify(worst)}`;
}

function latencyLine(name: string, tokens: readonly TokenHistory[], { observations }: Driven): string {
  const chosen = new Set(tokens.map(({ token }) => token));
  const sorted = latencies(
    tokens,
    observations.filter(({ token }) => chosen.has(token)),
  );
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(sorted, share).toFixed(1));
  return `${name}: ${tokens.length} tokens, ${sorted.length} refusals: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`;
}

async function underFaults(testbed: Testbed): Promise<string> {
  const setup = await openSetup(testbed);
  const random = seeded(seed);
  const verifiers = await startVerifiers(testbed, setup, CHECK_EVERY_MILLISECONDS);
  const targets = await openTargets(setup);
  const bystanders = (await targets.bystanders(BYSTANDERS)).map((text) => ({ token: numberToken(), text }));
  await verifiers.watch(bystanders);
  const faults = startFaults(setup, random);
  let told = 0;
  const driven = await drive(
    {
      count: events,
      lanes: LANES,
      beforeMilliseconds: 300,
      afterMilliseconds: BOUND_MILLISECONDS + 300,
      random,
      pick: picker(random),
      onProgress: (done) => {
        if (done >= told + 500) {
          told = done;
          console.log(`${done} revocations; ${JSON.stringify(faults.counts)}`);
        }
      },
    },
    verifiers,
    targets,
  );
  await faults.stop();
  const standing = await verifiers.settle(bystanders.map(({ token }) => token));
  const report = await verifiers.report();
  for (const replica of setup.replicas) demand(!replica.hasEnded(), `a replica ended:\n${replica.log()}`);
  const tokens = historyOf(driven, faults);
  const others = [...bystanders.map(({ token }) => token), ...driven.renewed.tokens];
  const violations = judgeHistory(
    [...tokens, ...others.map((token) => ({ token, revocation: null }))],
    verifiers.observers,
    [...driven.observations, ...standing, ...driven.renewed.observations],
  );
  const tight = tokens.filter(({ revocation }) => revocation?.boundMilliseconds === TIGHT_MILLISECONDS);
  const loose = tokens.filter(({ revocation }) => revocation?.boundMilliseconds === BOUND_MILLISECONDS);
  console.log(latencyLine('with Redis', tight, driven));
  console.log(latencyLine('around a fault', loose, driven));
  demand(violations.length === 0, `seed ${seed}: ${shown(violations, driven)}`);
  demand(Object.keys(report.helpless).length === 0, `verifiers could not tell: ${JSON.stringify(report.helpless)}`);
  const kinds = KINDS.map((kind) => `${driven.outcomes.filter((each) => each.kind === kind).length} ${kind}`);
  const broken = Object.entries(faults.counts).map(([fault, count]) => `${fault} ${count} times`);
  return `${driven.outcomes.length} revocations (${kinds.join(', ')}) while Redis was ${broken.join(', ')}: ${report.verifications} verifications by ${verifiers.observers.length} verifiers, none of a revoked token later than ${TIGHT_MILLISECONDS} ms (without a fault) or ${BOUND_MILLISECONDS} ms (around a fault) after the answer, and no good token refused (${BYSTANDERS} bystanders, ${driven.renewed.tokens.length} renewed or of another organization)`;
}

/**
 * Runs the same course with replicas that can write to the stream but cannot read it. The judgement must find
 * violations.
 */
async function withoutReader(testbed: Testbed): Promise<number> {
  const setup = await openSetup(testbed, 'deaf:deaf@');
  await deafen(setup);
  const random = seeded(seed + 1);
  const verifiers = await startVerifiers(testbed, setup, CHECK_EVERY_MILLISECONDS);
  const targets = await openTargets(setup);
  const driven = await drive(
    {
      count: WITHOUT_READER_EVENTS,
      lanes: 20,
      beforeMilliseconds: 300,
      afterMilliseconds: BOUND_MILLISECONDS + 300,
      random,
      pick: () => 'logout',
    },
    verifiers,
    targets,
  );
  const tokens = historyOf(driven, { wasHealthy: () => true });
  console.log(latencyLine('with the reader disabled', tokens, driven));
  const violations = judgeHistory(tokens, verifiers.observers, driven.observations);
  return violations.filter(({ kind }) => kind === 'accepted too late').length;
}

async function deafen({ redis }: Setup): Promise<void> {
  await redis.ask('ACL', 'SETUSER', 'deaf', 'on', '>deaf', '~*', '&*', '+@all', '-xread', '-xreadgroup');
}

await withTestbed({ name: 'revocation', disposable: true }, async (testbed) => {
  demand(events > 0, 'usage: prove:revocation [events] [seed]');
  console.log(`seed ${seed}`);
  const line = await underFaults(testbed);
  const found = await withoutReader(testbed);
  demand(found > 0, 'with the reader of the stream disabled the judge found nothing');
  return `SHOWN: ${line}; with the reader of the stream disabled the judge finds ${found} acceptances that came too late`;
});
