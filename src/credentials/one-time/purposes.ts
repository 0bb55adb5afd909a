// What one-time tokens are for, how long each lives, and how many wrong codes are allowed.

const HOUR = 3_600;
const DAY = 24 * HOUR;

/** How long the link of each purpose works, in seconds, and whether its mail has a code in addition to the link. */
export const PURPOSES = {
  verify_email: { seconds: DAY, hasCode: true },
  reset_password: { seconds: HOUR / 2, hasCode: true },
  change_email: { seconds: DAY, hasCode: true },
  revert_email: { seconds: 7 * DAY, hasCode: false },
} as const;

export type Purpose = keyof typeof PURPOSES;

export const EVERY_PURPOSE = Object.keys(PURPOSES) as readonly Purpose[];

/**
 * The purposes whose tokens end when the credentials of an account change, or all of its sessions end. The tokens that
 * restore a former address stay: a person who has stolen the account must not be able to end them.
 */
export const ENDED_WITH_CREDENTIALS: readonly Purpose[] = ['reset_password', 'change_email'];

/**
 * The purposes whose tokens end when the address of an account changes. Those that restore a former address stay, as
 * above.
 */
export const ENDED_WITH_ADDRESS: readonly Purpose[] = EVERY_PURPOSE.filter((purpose) => purpose !== 'revert_email');

export const CODE_SECONDS = HOUR / 4;
/** After this many wrong codes, a code ends, and its link goes on working. */
export const WRONG_CODES_MAX = 5;
/** After this many wrong codes of one account on one day (UTC), its codes are refused until the next day. */
export const WRONG_CODES_PER_DAY_MAX = 20;
