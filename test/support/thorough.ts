// How often a test repeats a race or tries generated input: fewer times by default, all times with TEST_THOROUGH=1,
// which the check of every change sets. No assertion depends on it.

const isThorough = process.env.TEST_THOROUGH === '1';

/** The number of rounds of a race. A thorough run has `thorough` rounds. */
export function rounds(thorough: number): number {
  return isThorough ? thorough : Math.ceil(thorough * 0.3);
}

/** The number of generated cases. A thorough run has `thorough` cases. */
export function cases(thorough: number): number {
  return isThorough ? thorough : Math.ceil(thorough / 4);
}
