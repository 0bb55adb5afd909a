// Finds settings that contradict each other, audiences that must not be used, and settings that production refuses.
import { isReservedAudience } from './audience.ts';
import type { Config, Settings } from './config.ts';
import { isEverybody } from './everybody.ts';

/** Returns one line for each problem. */
export function contradictions(config: Config, settings: Settings): string[] {
  const problems: string[] = [];
  const bothRoles = config.DATABASE_APP_URL && config.DATABASE_SYSTEM_URL;
  if (Boolean(config.DATABASE_APP_URL) !== Boolean(config.DATABASE_SYSTEM_URL)) {
    problems.push('DATABASE_APP_URL: set it together with DATABASE_SYSTEM_URL, or neither');
  }
  if (config.REFRESH_TOKEN_TTL > config.SESSION_MAX_AGE) {
    problems.push('REFRESH_TOKEN_TTL: must not be longer than SESSION_MAX_AGE');
  }
  if (config.REFRESH_TOKEN_TTL <= config.ACCESS_TOKEN_TTL) {
    problems.push('REFRESH_TOKEN_TTL: must be longer than ACCESS_TOKEN_TTL');
  }
  if (config.PORT === 0 && !settings.PUBLIC_URL) {
    problems.push('PUBLIC_URL: must be set when PORT is 0, because it is the issuer of every token');
  }
  if (config.HSTS_INCLUDE_SUBDOMAINS && !config.PUBLIC_URL.startsWith('https://')) {
    problems.push('HSTS_INCLUDE_SUBDOMAINS: needs a PUBLIC_URL with https');
  }
  if (config.TOKEN_AUDIENCE === '*') problems.push('TOKEN_AUDIENCE: must not be *, a pattern for some verifiers');
  for (const audience of settings.TOKEN_AUDIENCES) {
    if (isReservedAudience(audience, config.PUBLIC_URL) && audience !== config.TOKEN_AUDIENCE) {
      problems.push(
        `TOKEN_AUDIENCES: must not contain ${audience}: name each service, without * and without the issuer`,
      );
    }
  }
  if (!config.production) return problems;
  if (!config.DATABASE_URL && !bothRoles) {
    problems.push('DATABASE_URL: is required in production, which has no embedded database');
  }
  if (!settings.PUBLIC_URL) problems.push('PUBLIC_URL: is required in production');
  else if (!settings.PUBLIC_URL.startsWith('https://')) problems.push('PUBLIC_URL: must be https in production');
  if (settings.PUBLIC_APP_URL?.startsWith('http://')) {
    problems.push('PUBLIC_APP_URL: must be https in production, because links in mails carry secrets');
  }
  if (settings.SMTP_URL && /@localhost>?$/i.test(settings.MAIL_FROM)) {
    problems.push('MAIL_FROM: is required in production together with SMTP_URL');
  }
  if (config.REGISTRATION_MODE === 'verified' && !settings.SMTP_URL) {
    problems.push(
      'SMTP_URL: is required in production with REGISTRATION_MODE=verified, because a mail completes each registration',
    );
  }
  if (!settings.KEYS_DIR) {
    problems.push('KEYS_DIR: is required in production, because development keys are refused');
  }
  if (isEverybody(config.TRUSTED_PROXIES)) {
    const widest = config.TRUSTED_PROXIES.find((range) => isEverybody([range]));
    const everyone = widest ?? config.TRUSTED_PROXIES.join(', ');
    problems.push(
      `TRUSTED_PROXIES: ${everyone} would let every client choose its own address, which production refuses`,
    );
  }
  const plain = config.CORS_ORIGINS.find((allowed) => allowed.startsWith('http://'));
  if (plain !== undefined) problems.push(`CORS_ORIGINS: ${plain} must be https in production`);
  if (!config.RATE_LIMIT_ENABLED) problems.push('RATE_LIMIT_ENABLED: must not be false in production');
  return problems;
}
