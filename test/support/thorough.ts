// How often a test repeats what depends on luck: races and generated input. A part of it by default, all of it with
// TEST_THOROUGH=1, which the check of every change sets. No proof and no assertion depends on it.

export const isThorough = process.env.TEST_THOROUGH === '1';

/** How many rounds of a race to run, of so many in a thorough run. */
export function rounds(thorough: number): number {
  return isThorough ? thorough : Math.ceil(thorough * 0.3);
}

/** How many generated cases to try, of so many in a thorough run. */
export function cases(thorough: number): number {
  return isThorough ? thorough : Math.ceil(thorough / 4);
}
