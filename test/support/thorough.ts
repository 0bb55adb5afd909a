// The number of times that a test repeats a race or tries generated input. It is reduced by default, and full with
// TEST_THOROUGH=1, which the check of every change sets. The tests assert the same guarantees with both numbers.

export const isThorough = process.env.TEST_THOROUGH === '1';

/** Returns the number of rounds of a race. A thorough run has `thorough` rounds. */
export function rounds(thorough: number): number {
  return isThorough ? thorough : Math.ceil(thorough * 0.3);
}

/** Returns the number of generated cases. A thorough run has `thorough` cases. */
export function cases(thorough: number): number {
  return isThorough ? thorough : Math.ceil(thorough / 4);
}
