// The command `tenantry config` shows every variable with its current value. It never shows the value of a secret.
import type { Command } from 'commander';
import { variables } from '../base/config/variables.ts';
import { act, leaf } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { configuration } from './line/operator.ts';

/** Adds the command. */
export function configCommand(program: Command, invocation: Invocation): void {
  leaf(program, 'config', 'Show every variable with its value, default and meaning').action(
    act(invocation, async () => {
      const config: Readonly<Record<string, unknown>> = { ...configuration(invocation) };
      const shown = variables().map((variable) => {
        const { name, description, secret, fallback } = variable;
        const from = sourceOf(invocation, name, secret);
        const value = secret && from !== 'default' ? '(secret)' : invocation.env[name] || textOf(config[name]);
        return { name, value, from, default: fallback === '' ? null : fallback, secret, description };
      });
      const rows = shown.map(({ name, value, from, description, ...row }) => [
        `${name}=${value ?? ''}`,
        from === 'default' ? '' : `(default ${row.default ?? 'none'})`,
        description,
      ]);
      return { document: { data: shown }, text: rows.map(([head, ...rest]) => entry(head ?? '', rest)).join('\n') };
    }),
  );
}

function sourceOf({ env }: Invocation, name: string, secret: boolean): 'environment' | 'file' | 'default' {
  if (env[name]) return 'environment';
  return secret && env[`${name}_FILE`] ? 'file' : 'default';
}

function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  return Array.isArray(value) ? value.join(',') : String(value);
}

function entry(head: string, [origin = '', description = '']: readonly string[]): string {
  return `${origin === '' ? head : `${head}  ${origin}`}\n    ${description}`;
}
