// Reads and validates the environment, once. The schemas in settings/ are also the documentation of every variable:
// docs/configuration.md and .env.example are generated from them. Only main.ts reads process.env.
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { OperatorError } from '../errors/operator-error.ts';
import { contradictions } from './contradictions.ts';
import { BROWSERS } from './settings/browsers.ts';
import { LIMITS } from './settings/limits.ts';
import { MAIL } from './settings/mail.ts';
import { ORGANIZATIONS } from './settings/organizations.ts';
import { PAGES } from './settings/pages.ts';
import { PASSWORDS } from './settings/passwords.ts';
import { SERVICE } from './settings/service.ts';
import { STORAGE } from './settings/storage.ts';
import { TOKENS } from './settings/tokens.ts';

const SHUTDOWN_DELAY_SECONDS = 5;

/** The variables by topic, in the order of the documentation. */
export const TOPICS = [
  { title: 'The process', variables: SERVICE },
  { title: 'Storage', variables: STORAGE },
  { title: 'Keys, tokens and sessions', variables: TOKENS },
  { title: 'Registration and passwords', variables: PASSWORDS },
  { title: 'Organizations', variables: ORGANIZATIONS },
  { title: 'Browsers and proxies', variables: BROWSERS },
  { title: 'Pages', variables: PAGES },
  { title: 'Mail and invitations', variables: MAIL },
  { title: 'Limits', variables: LIMITS },
] as const;

/** Every variable. The value of a `secret` variable may also be given in the file that NAME_FILE names. */
export const ENVIRONMENT = {
  ...SERVICE,
  ...STORAGE,
  ...TOKENS,
  ...PASSWORDS,
  ...ORGANIZATIONS,
  ...BROWSERS,
  ...PAGES,
  ...MAIL,
  ...LIMITS,
} as const;

const Environment = z.object(ENVIRONMENT);
/** The validated variables, before defaults that depend on other variables are filled in. */
export type Settings = z.output<typeof Environment>;

/**
 * The frozen settings with every default filled in. Durations are in seconds, except UNVERIFIED_ACCOUNT_TTL and
 * TRIAL_DAYS, which are in days.
 */
export type Config = Readonly<Omit<Settings, 'PUBLIC_URL' | 'KEYS_DIR' | 'DOCS_ENABLED' | 'SHUTDOWN_DELAY'>> & {
  /** The issuer of every token. */
  readonly PUBLIC_URL: string;
  readonly KEYS_DIR: string;
  readonly DOCS_ENABLED: boolean;
  readonly SHUTDOWN_DELAY: number;
  readonly production: boolean;
};

/** The environment is wrong. `problems` has one line for each problem. */
export class ConfigRefused extends OperatorError {
  override readonly name = 'ConfigRefused';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/**
 * Collects the text of every variable that is set: the value of NAME, or for a `secret` variable the content of the
 * file that NAME_FILE names, without its last line break. An empty NAME or NAME_FILE counts as unset.
 */
function collect(env: NodeJS.ProcessEnv): { values: Record<string, string>; problems: string[] } {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, schema] of Object.entries(ENVIRONMENT)) {
    const direct = env[name];
    const file = schema.meta()?.secret ? env[`${name}_FILE`] : undefined;
    if (direct && file) problems.push(`${name}: set either ${name} or ${name}_FILE, not both`);
    if (direct) values[name] = direct;
    else if (file) {
      try {
        values[name] = readFileSync(file, 'utf8').replace(/\r?\n$/, '');
      } catch (error) {
        problems.push(`${name}_FILE: the file ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
      }
    }
  }
  return { values, problems };
}

/**
 * Reads the environment. Raises ConfigRefused with a list of the problems. Contradictions between variables are looked
 * for only when each variable is valid by itself.
 */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const { values, problems } = collect(env);
  const parsed = Environment.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) problems.push(`${issue.path[0] as string}: ${issue.message}`);
    throw new ConfigRefused(problems);
  }
  const settings = parsed.data;
  const production = settings.NODE_ENV === 'production';
  const config: Config = Object.freeze({
    ...settings,
    TOKEN_AUDIENCES: [...new Set([settings.TOKEN_AUDIENCE, ...settings.TOKEN_AUDIENCES])],
    PUBLIC_URL: settings.PUBLIC_URL ?? `http://localhost:${settings.PORT}`,
    KEYS_DIR: settings.KEYS_DIR ?? `${settings.DATA_DIR}/keys`,
    DOCS_ENABLED: settings.DOCS_ENABLED ?? !production,
    SHUTDOWN_DELAY: settings.SHUTDOWN_DELAY ?? (production ? SHUTDOWN_DELAY_SECONDS : 0),
    production,
  });
  problems.push(...contradictions(config, settings));
  if (problems.length > 0) throw new ConfigRefused(problems);
  return config;
}
