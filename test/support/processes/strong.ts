// Stands in for the estimator of passwords in a service process (no-estimates.ts).
import type { Strength } from '../../../src/credentials/passwords/strength.ts';

export class StrengthUnknown extends Error {}

export function openStrength(): Strength {
  return { estimate: async () => Number.POSITIVE_INFINITY };
}
