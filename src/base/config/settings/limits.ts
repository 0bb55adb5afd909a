// The settings for limits of requests and of what one caller may keep.
import { flag, wholeNumber } from '../fields.ts';

export const LIMITS = {
  IDEMPOTENCY_KEYS_MAX: wholeNumber(1, 1_000_000).default(1000).meta({
    description:
      'The maximum number of idempotency keys of one user that are kept at a time. Each is kept for 24 hours. A request with a further key gets 429.',
  }),
  RATE_LIMIT_ENABLED: flag
    .prefault('true')
    .meta({ description: 'false turns every rate limit off. For load tests only.' }),
  RATE_LIMIT_SIGN_IN: wholeNumber(1, 1_000_000).default(10).meta({
    description:
      'Requests per minute to each endpoint for signing in or for changing one’s own account: from one network, or of one user where a user must be signed in. Sign-in, registration and all other such endpoints are counted separately.',
  }),
  RATE_LIMIT_REFRESH: wholeNumber(1, 1_000_000)
    .default(60)
    .meta({ description: 'Refreshes per minute of one session.' }),
  RATE_LIMIT_OTHER: wholeNumber(1, 1_000_000)
    .default(600)
    .meta({ description: 'Other requests per minute of one principal.' }),
  RATE_LIMIT_ORGANIZATION: wholeNumber(1, 1_000_000)
    .default(300)
    .meta({ description: 'Sign-in attempts per minute for one organization.' }),
  RATE_LIMIT_CLIENT: wholeNumber(1, 10_000_000)
    .default(6000)
    .meta({ description: 'Requests per minute of one service client.' }),
  FEED_STREAMS_MAX: wholeNumber(1, 5_000)
    .default(500)
    .meta({ description: 'The maximum number of open connections to the revocation feed, in each process.' }),
  FEED_STREAMS_PER_CLIENT_MAX: wholeNumber(1, 5_000)
    .default(10)
    .meta({ description: 'How many open connections one service client may have to the feed, in each process.' }),
  LOGIN_FAILURES_MAX: wholeNumber(1, 1000).default(5).meta({
    description: 'Wrong passwords for one account from one address in 15 minutes before further attempts are delayed.',
  }),
} as const;
