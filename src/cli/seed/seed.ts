// The command `tenantry seed` creates the first system roles of a new installation, and a demo organization for people
// who try the service.
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { applyFirstPreset } from '../../directory/presets/apply.ts';
import { listPresets } from '../../directory/presets/presets.ts';
import { act, leaf, type Outcome } from '../line/command.ts';
import type { Invocation } from '../line/invocation.ts';
import { configuration, fileOf, withOperator } from '../line/operator.ts';
import { CommandRefused } from '../line/refusal.ts';
import { seedDemo } from './demo.ts';

interface Options {
  readonly preset?: string;
  readonly demo: boolean;
}

/** Adds the command. */
export function seedCommand(program: Command, invocation: Invocation): void {
  leaf(program, 'seed', 'Make the first system roles and a demo organization; existing ones stay')
    .option('--preset <preset>', `${listPresets().join(', ')}, or a YAML file; ROLE_PRESET by default`)
    .option('--no-demo', 'make only the system roles')
    .action(act<Options>(invocation, seed));
}

async function seed(invocation: Invocation, { preset, demo }: Options): Promise<Outcome> {
  const config = configuration(invocation);
  if (demo && config.production) {
    throw new CommandRefused('production_refused', 'Production refuses a demo organization: add --no-demo');
  }
  const named = preset !== undefined && /[./\\]/.test(preset) ? fileOf(invocation, preset) : preset;
  return withOperator(invocation, async (operator) => {
    const roles = await applyFirstPreset(operator, named ?? config.ROLE_PRESET);
    const owner = demo ? await seedDemo(operator, resolve(config.DATA_DIR)) : null;
    // The password is not printed. The operator can read it in the file at any time.
    const file = owner ? join(config.DATA_DIR, 'demo.json') : null;
    const isOther = roles.length > 0 && named !== undefined && named !== config.ROLE_PRESET;
    const lines = [
      roles.length > 0
        ? `Made the roles ${roles.join(', ')}.`
        : 'System roles already exist: see tenantry roles apply.',
      ...(isOther ? [`Set ROLE_PRESET=${named}: doctor and roles diff compare the roles with it.`] : []),
      ...(owner ? [`The owner of the demo organization is ${owner.email}; the password is in ${file}.`] : []),
    ];
    return { document: { data: { roles, demo: owner && { email: owner.email, file } } }, text: lines.join('\n') };
  });
}
