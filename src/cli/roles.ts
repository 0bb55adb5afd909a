// `tenantry roles`: the system roles, made what a preset says.
import type { Command } from 'commander';
import { applyPreset, exportRoles } from '../roles/apply-preset.ts';
import { type PlanStep, type PresetPlan, planPreset } from '../roles/plan.ts';
import { listSystemRoles } from '../roles/preset-store.ts';
import { listPresets, readPreset } from '../roles/presets.ts';
import { act, group, leaf, type Outcome, table } from './command.ts';
import { configuration, fileOf, withOperator } from './operator.ts';
import { confirm } from './terminal.ts';

interface ApplyOptions {
  readonly dryRun?: true;
  readonly prune?: true;
  readonly yes?: true;
}

/** Adds the commands. */
export function rolesCommands(program: Command): void {
  const presets = listPresets().join(', ');
  const roles = group(program, 'roles', 'System roles, from presets');
  leaf(roles, 'list', 'List the system roles').action(act(list));
  leaf(roles, 'apply [preset]', 'Make the system roles what a preset says; a second time changes nothing')
    .addHelpText('after', `\n[preset] is ${presets}, or a YAML file; without it ROLE_PRESET decides.`)
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--prune', 'also remove system roles that the preset does not name')
    .option('--yes', 'do not ask before roles are removed')
    .action(act<ApplyOptions>(apply));
  leaf(roles, 'diff [preset]', 'Show how the system roles differ from a preset; exit code 1 when they do')
    .addHelpText('after', `\n[preset] is ${presets}, or a YAML file; without it ROLE_PRESET decides.`)
    .option('--prune', 'a system role that the preset does not name counts as well')
    .action(act<ApplyOptions>(diff));
  leaf(roles, 'export', 'Print the system roles as the YAML of a preset')
    .option('--name <name>', 'the name of the preset', 'exported')
    .action(act<{ name: string }>(exported));
}

function read(named: string | undefined) {
  const preset = named ?? configuration().ROLE_PRESET;
  // A path is the caller's own where they have typed it, and the service's where the configuration names it.
  return readPreset(named !== undefined && /[./\\]/.test(named) ? fileOf(named) : preset);
}

function list(): Promise<Outcome> {
  return withOperator(async (operator) => {
    const roles = await listSystemRoles(operator.db.systemReader());
    const rows = roles.map(({ name, level, ownership, permissions }) => [
      name,
      String(level),
      ownership ? 'owner' : '',
      permissions.join(' '),
    ]);
    const text = rows.length === 0 ? 'None.' : table([['NAME', 'LEVEL', '', 'PERMISSIONS'], ...rows]);
    return { document: { data: roles }, text };
  });
}

async function apply(options: ApplyOptions, named?: string): Promise<Outcome> {
  const preset = read(named);
  const prune = options.prune ?? false;
  return withOperator(async (operator) => {
    const plan = await planPreset(operator.db, preset, { prune });
    if (options.dryRun) return { document: { data: { plan, applied: false } }, text: `${describe(plan)} (dry run)` };
    const removed = plan.steps.filter(({ action }) => action === 'remove').map(({ role }) => role);
    if (removed.length > 0) await confirm(`The roles ${removed.join(', ')} will be removed.`, options.yes);
    const done = await applyPreset(operator, preset, { prune });
    const affected = done.usersAffected > 0 ? `; ${done.usersAffected} users have other rights now` : '';
    return { document: { data: { ...done, applied: true } }, text: `${describe(done.plan)}${affected}` };
  });
}

async function diff(options: ApplyOptions, named?: string): Promise<Outcome> {
  const preset = read(named);
  return withOperator(async (operator) => {
    const plan = await planPreset(operator.db, preset, { prune: options.prune ?? false });
    return { document: { data: plan }, text: describe(plan), failed: plan.changes > 0 };
  });
}

function exported({ name }: { readonly name: string }): Promise<Outcome> {
  return withOperator(async (operator) => {
    const preset = await exportRoles(operator, name);
    return { document: { data: { preset } }, text: preset };
  });
}

function describe(plan: PresetPlan): string {
  const lines = plan.steps.filter(({ action }) => action !== 'keep').flatMap(describeStep);
  const unlisted = plan.unlisted.map((role) => `  ${role} is not in the preset, and stays`);
  const obstacles = plan.obstacles.map(({ detail }) => `! ${detail}`);
  const count = `${plan.changes} ${plan.changes === 1 ? 'change' : 'changes'}`;
  return [...lines, ...unlisted, ...obstacles, count].join('\n');
}

const SIGNS = { create: '+', update: '~', keep: ' ', remove: '-' } as const;

function describeStep({ action, role, changes }: PlanStep): string[] {
  const shown = (value: unknown) => (Array.isArray(value) ? value.join(' ') : String(value));
  return [
    `${SIGNS[action]} ${action} ${role}`,
    ...changes.map(({ field, from, to }) => `    ${field}: ${shown(from)} → ${shown(to)}`),
  ];
}
