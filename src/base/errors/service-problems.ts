// The problems of the service itself: it is busy, or lacks what it needs. The table in catalogue.ts joins them with all
// other problems. base/http/problems.ts adds to their sentences whether the request may have changed something.

export interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /**
   * What is wrong and what the caller should do next. This sentence is sent unless the code that raises the problem
   * gives another sentence.
   */
  readonly detail: string;
}

export const SERVICE_PROBLEMS = {
  service_busy: {
    status: 503,
    title: 'Service busy',
    detail: 'Too many requests are waiting: try again after the seconds in Retry-After.',
  },
  database_unavailable: {
    status: 503,
    title: 'Database unavailable',
    detail: 'The database does not answer now: try again after the seconds in Retry-After.',
  },
  database_not_writable: {
    status: 503,
    title: 'Database not writable',
    detail: 'The database stores no changes now, but reading works: try again after the seconds in Retry-After.',
  },
  database_set_back: {
    status: 503,
    title: 'Database set back',
    detail:
      'The database may have lost changes, and an operator must decide whether earlier sessions are still valid: try again later, or sign in again.',
  },
  revocations_stale: {
    status: 503,
    title: 'Revocations not known',
    detail: 'Tenantry cannot say at the moment which tokens are revoked: try again after the seconds in Retry-After.',
  },
  clock_skewed: {
    status: 503,
    title: 'Clock skewed',
    detail:
      'The clock of this server differs from the clock of its database, so this server accepts no token: try again after the seconds in Retry-After.',
  },
  signing_unavailable: {
    status: 503,
    title: 'No signing key',
    detail: 'The service has no usable signing key at the moment: try again after the seconds in Retry-After.',
  },
  data_key_missing: {
    status: 503,
    title: 'Data key missing',
    detail:
      'The service lacks a key with which personal data is sealed: try again after the seconds in Retry-After, and report the request id if the problem stays.',
  },
  personal_data_unreadable: {
    status: 503,
    title: 'Personal data unreadable',
    detail:
      'Sealed data that this request needs was changed or moved in the database and cannot be read: report the request id.',
  },
  internal_error: {
    status: 500,
    title: 'Internal error',
    detail: 'The service failed: try again, and report the request id if the problem stays.',
  },
} as const satisfies Record<string, ProblemKind>;
