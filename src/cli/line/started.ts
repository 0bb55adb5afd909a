// How a person starts the command line. In a clone, npm runs it, and the command `tenantry` alone does not exist.
import type { Invocation } from './invocation.ts';

const COMMAND = /(?<![\w./-])tenantry(?= [a-z])/g;

/** The name with which the command line was started. */
export function startedAs({ npm_command }: Invocation['env']): string {
  return npm_command === undefined ? 'tenantry' : 'npx tenantry';
}

/** Returns a text for people, which names further commands as they can be started. */
export function namingCommands(env: Invocation['env'], text: string): string {
  return text.replaceAll(COMMAND, startedAs(env));
}
