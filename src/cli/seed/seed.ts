// `tenantry seed`: what a new installation begins with: the system roles, and for trying it out a demo organization.
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { applyFirstPreset } from '../../directory/presets/apply.ts';
import { listPresets } from '../../directory/presets/presets.ts';
import { act, leaf, type Outcome } from '../command.ts';
import type { Invocation } from '../invocation.ts';
import { configuration, fileOf, withOperator } from '../operator.ts';
import { CommandRefused } from '../refusal.ts';
import { seedDemo } from './demo.ts';

interface Options {
  readonly preset?: string;
  readonly demo: boolean;
}

/** Adds the command. */
export function seedCommand(program: Command, invocation: Invocation): void {
  leaf(program, 'seed', 'Make the first system roles and a demo organization; what is there stays')
    .option('--preset <preset>', `${listPresets().join(', ')}, or a YAML file; without it ROLE_PRESET decides`)
    .option('--no-demo', 'the system roles only')
    .action(act<Options>(invocation, seed));
}

async function seed(invocation: Invocation, { preset, demo }: Options): Promise<Outcome> {
  const config = configuration(invocation);
  if (demo && config.production) {
    throw new CommandRefused('production_refused', 'A demo organization has no place in production: add --no-demo');
  }
  const named = preset !== undefined && /[./\\]/.test(preset) ? fileOf(invocation, preset) : preset;
  return withOperator(invocation, async (operator) => {
    const roles = await applyFirstPreset(operator, named ?? config.ROLE_PRESET);
    const owner = demo ? await seedDemo(operator, resolve(config.DATA_DIR)) : null;
    // The password is not printed: the file is where everybody may look it up again.
    const file = owner ? join(config.DATA_DIR, 'demo.json') : null;
    const isOther = roles.length > 0 && named !== undefined && named !== config.ROLE_PRESET;
    const lines = [
      roles.length > 0
        ? `Made the roles ${roles.join(', ')}.`
        : 'There are system roles already: see tenantry roles apply.',
      ...(isOther ? [`Set ROLE_PRESET=${named}: doctor and roles diff compare with it.`] : []),
      ...(owner ? [`The demo organization's owner is ${owner.email}; the password is in ${file}.`] : []),
    ];
    return { document: { data: { roles, demo: owner && { email: owner.email, file } } }, text: lines.join('\n') };
  });
}
