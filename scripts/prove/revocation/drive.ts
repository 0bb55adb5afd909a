// Revokes many tokens through random replicas, some at a time, while the verifiers check them. history.ts judges the
// observations.
import { setTimeout as delay } from 'node:timers/promises';
import { demand } from '../proof.ts';
import type { Observation } from './history.ts';
import type { Kind, Targets } from './targets.ts';
import type { VerifierProcesses } from './verifiers.ts';

/** The revocation of one token. */
export interface Outcome {
  readonly token: number;
  readonly kind: Kind;
  readonly asked: number;
  readonly acknowledged: number;
}

export interface Course {
  readonly count: number;
  /** How many tokens are watched at a time. */
  readonly lanes: number;
  /** How long a token is watched before it is revoked, and after the answer. */
  readonly beforeMilliseconds: number;
  readonly afterMilliseconds: number;
  readonly random: () => number;
  /** Returns the kind of the next target. */
  readonly pick: () => Kind;
  readonly onProgress?: (done: number) => void;
}

export interface Driven {
  readonly outcomes: Outcome[];
  readonly observations: Observation[];
  /**
   * Tokens that were issued after a revocation, and tokens that a revocation did not concern. They are good everywhere
   * all the time, so no verifier may refuse one.
   */
  readonly renewed: { readonly tokens: number[]; readonly observations: Observation[] };
}

let numbered = 0;

/** Returns a number that no other token has. */
export function numberToken(): number {
  numbered += 1;
  return numbered;
}

/** Issues, watches and revokes the number of tokens that the course names. Raises NotShown if a revocation fails. */
export async function drive(course: Course, verifiers: VerifierProcesses, targets: Targets): Promise<Driven> {
  const driven: Driven = { outcomes: [], observations: [], renewed: { tokens: [], observations: [] } };
  let begun = 0;
  async function lane(): Promise<void> {
    while (begun < course.count) {
      begun += 1;
      await one();
      course.onProgress?.(driven.outcomes.length);
    }
  }
  async function one(): Promise<void> {
    const target = await targets.next(course.pick());
    const token = numberToken();
    const sparedToken = numberToken();
    const spared = target.spared === undefined ? [] : [{ token: sparedToken, text: target.spared }];
    await verifiers.watch([{ token, text: target.text }, ...spared]);
    await delay(course.beforeMilliseconds);
    const times = await target.revoke(Math.floor(course.random() * 3));
    driven.outcomes.push({ token, kind: target.kind, ...times });
    const fresh = await target.renewed?.();
    const freshToken = numberToken();
    if (fresh !== undefined) await verifiers.watch([{ token: freshToken, text: fresh }]);
    await delay(course.afterMilliseconds);
    driven.observations.push(...(await verifiers.settle([token])));
    const good = [...(fresh === undefined ? [] : [freshToken]), ...spared.map((each) => each.token)];
    if (good.length > 0) {
      driven.renewed.tokens.push(...good);
      driven.renewed.observations.push(...(await verifiers.settle(good)));
    }
    await target.release?.();
  }
  demand(course.lanes > 0, 'a course needs lanes');
  await Promise.all(Array.from({ length: course.lanes }, lane));
  return driven;
}
