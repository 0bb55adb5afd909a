// The settings of the services that are measured.

/** Rate limits are on, as in production, but too high to be reached. The log has its default level. */
export const UNREACHED_LIMITS = {
  LOG_LEVEL: 'info',
  RATE_LIMIT_ENABLED: 'true',
  RATE_LIMIT_SIGN_IN: '1000000',
  RATE_LIMIT_REFRESH: '1000000',
  RATE_LIMIT_OTHER: '1000000',
};
