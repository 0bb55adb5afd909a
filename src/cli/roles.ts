// The command `tenantry roles` lists and exports the system roles, compares them with a preset, and applies a preset.
import type { Command } from 'commander';
import { applyPreset, exportRoles } from '../directory/presets/apply.ts';
import { type FieldChange, type PlanStep, type PresetPlan, planPreset } from '../directory/presets/plan.ts';
import { listPresets, readPreset } from '../directory/presets/presets.ts';
import { listSystemRoles } from '../directory/presets/store.ts';
import { act, counted, group, leaf, type Outcome, table } from './line/command.ts';
import type { Invocation } from './line/invocation.ts';
import { configuration, fileOf, withOperator } from './line/operator.ts';
import { confirm } from './line/terminal.ts';

interface ApplyOptions {
  readonly dryRun?: true;
  readonly prune?: true;
  readonly yes?: true;
}

/** Adds the commands. */
export function rolesCommands(program: Command, invocation: Invocation): void {
  const presets = listPresets().join(', ');
  const roles = group(program, 'roles', 'System roles, from presets');
  leaf(roles, 'list', 'List the system roles').action(act(invocation, list));
  leaf(roles, 'apply [preset]', 'Change the system roles to those of a preset; a second run changes nothing')
    .addHelpText('after', `\n[preset] is ${presets}, or a YAML file; without it ROLE_PRESET decides.`)
    .option('--dry-run', 'show what would change, and change nothing')
    .option('--prune', 'also remove system roles that the preset does not name')
    .option('--yes', 'do not ask before roles are removed or begin to give ownership')
    .action(act<ApplyOptions>(invocation, apply));
  leaf(roles, 'diff [preset]', 'Show how the system roles differ from a preset; exit code 1 when they do')
    .addHelpText('after', `\n[preset] is ${presets}, or a YAML file; without it ROLE_PRESET decides.`)
    .option('--prune', 'also count system roles that the preset does not name')
    .action(act<ApplyOptions>(invocation, diff));
  leaf(roles, 'export', 'Print the system roles as the YAML of a preset')
    .option('--name <name>', 'the name of the preset', 'exported')
    .action(act<{ name: string }>(invocation, exported));
}

function read(invocation: Invocation, named: string | undefined) {
  const preset = named ?? configuration(invocation).ROLE_PRESET;
  // A path in an argument is relative to the caller's folder. A path in the configuration is relative to the folder of
  // the service.
  return readPreset(named !== undefined && /[./\\]/.test(named) ? fileOf(invocation, named) : preset);
}

function list(invocation: Invocation): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const roles = await listSystemRoles(operator.db.systemReader());
    const rows = roles.map(({ name, level, ownership }) => [name, String(level), ownership ? 'owner' : '']);
    // The permissions of each role are on the lines below the role, because a column for them would be too wide for a
    // terminal.
    const [head = '', ...lines] = table([['NAME', 'LEVEL', ''], ...rows]).split('\n');
    const entries = lines.flatMap((line, at) => [
      line,
      ...wrap(roles[at]?.permissions ?? [], 100).map((part) => `    ${part}`),
    ]);
    const text = rows.length === 0 ? 'None.' : [head, ...entries].join('\n');
    return { document: { data: roles }, text };
  });
}

async function apply(invocation: Invocation, options: ApplyOptions, named?: string): Promise<Outcome> {
  const preset = read(invocation, named);
  const prune = options.prune ?? false;
  return withOperator(invocation, async (operator) => {
    const plan = await planPreset(operator.db, preset, { prune });
    if (options.dryRun) return dryRun(plan);
    const removed = plan.steps.filter(({ action }) => action === 'remove').map(({ role }) => role);
    const warnings = [
      ...(removed.length > 0 ? [`The roles ${removed.join(', ')} will be removed.`] : []),
      ...(plan.changes > 0 ? aboutOwners(plan).map((line) => `${line}.`) : []),
    ];
    if (warnings.length > 0 && plan.obstacles.length === 0) await confirm(invocation, warnings.join(' '), options.yes);
    const done = await applyPreset(operator, preset, { prune });
    const affected =
      done.usersAffected > 0 ? `; the permissions of ${counted(done.usersAffected, 'user')} changed` : '';
    return { document: { data: { ...done, applied: true } }, text: `${describe(done.plan)}${affected}` };
  });
}

function dryRun(plan: PresetPlan): Outcome {
  const refused = plan.obstacles.length > 0;
  const text = `${describe(plan)} (dry run${refused ? ': it would be refused' : ''})`;
  return { document: { data: { plan, applied: false } }, text, failed: refused };
}

async function diff(invocation: Invocation, options: ApplyOptions, named?: string): Promise<Outcome> {
  const preset = read(invocation, named);
  return withOperator(invocation, async (operator) => {
    const plan = await planPreset(operator.db, preset, { prune: options.prune ?? false });
    return { document: { data: plan }, text: describe(plan), failed: plan.changes > 0 };
  });
}

function exported(invocation: Invocation, { name }: { readonly name: string }): Promise<Outcome> {
  return withOperator(invocation, async (operator) => {
    const preset = await exportRoles(operator, name);
    return { document: { data: { preset } }, text: preset };
  });
}

/** Returns the effects of the plan on the roles with ownership, with one sentence for each effect. */
function aboutOwners({ owners, promoted }: PresetPlan): string[] {
  const made = promoted.map(({ role, members }) => {
    const assigned =
      members === 0 ? 'no member has it yet' : `it is assigned ${members === 1 ? 'once' : `${members} times`}`;
    return `${role} will give ownership, and ${assigned}`;
  });
  if (owners.length < 2) return made;
  return [
    ...made,
    `${owners.join(' and ')} will give ownership: assign one of them to all owners, and remove the others with --prune`,
  ];
}

function describe(plan: PresetPlan): string {
  const lines = plan.steps.filter(({ action }) => action !== 'keep').flatMap(describeStep);
  const unlisted = plan.unlisted.map((role) => `  ${role} is not in the preset and stays`);
  const remarks = [...aboutOwners(plan), ...plan.obstacles.map(({ detail }) => detail)].map((line) => `! ${line}`);
  const count = counted(plan.changes, 'change');
  return [...lines, ...unlisted, ...remarks, count].join('\n');
}

const SIGNS = { create: '+', update: '~', keep: ' ', remove: '-' } as const;

function describeStep({ action, role, changes }: PlanStep): string[] {
  return [`${SIGNS[action]} ${action} ${role}`, ...changes.flatMap(describeChange)];
}

function describeChange({ field, from, to }: FieldChange): string[] {
  if (!Array.isArray(from) || !Array.isArray(to)) return [`    ${field}: ${from} → ${to}`];
  const added = to.filter((entry) => !from.includes(entry)).map((entry) => `+${entry}`);
  const taken = from.filter((entry) => !to.includes(entry)).map((entry) => `−${entry}`);
  return [`    ${field}:`, ...wrap([...added, ...taken], 100).map((line) => `      ${line}`)];
}

/** Puts words into lines of at most `width` characters. A longer word gets its own line. */
function wrap(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
