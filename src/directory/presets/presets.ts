// Role presets are YAML files that describe the system roles. This file reads presets strictly, and writes presets that
// it can read again. plan.ts and apply.ts apply a preset to the database.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse, parseDocument, stringify, visit } from 'yaml';
import { z } from 'zod';
import { OperatorError } from '../../base/errors/operator-error.ts';
import { isEmptyOrVisible } from '../../base/platform/visible.ts';
import { isFaithfulNumber } from '../../protocol/json.ts';
import { canonicalPermissions, PERMISSION_PATTERN } from '../../protocol/permission.ts';

const ROLE_NAME_PATTERN = /^[a-z][a-z0-9_-]{0,39}$/;
const NAME_RULE = 'must be a lower-case letter, then at most 39 of a-z, 0-9, _ and -';
const LEVEL_RULE = 'must be a whole number from 0 to 1000';
const PERMISSION_RULE = 'must be resource:action, each a name or *';
const FILE_BYTES_MAX = 1024 * 1024;
const SHIPPED = fileURLToPath(new URL('shipped/', import.meta.url));

const PresetRole = z.strictObject(
  {
    name: z.string(NAME_RULE).regex(ROLE_NAME_PATTERN, NAME_RULE),
    description: z
      .string('must be a text')
      .max(500, 'must have at most 500 characters')
      .refine(isEmptyOrVisible, 'must have a visible character')
      .default(''),
    level: z.int(LEVEL_RULE).min(0, LEVEL_RULE).max(1000, LEVEL_RULE),
    ownership: z.boolean('must be true or false').default(false),
    permissions: z
      .array(z.string(PERMISSION_RULE).regex(PERMISSION_PATTERN, PERMISSION_RULE), 'must be a list')
      .max(1000, 'must have at most 1000 entries')
      .transform(canonicalPermissions),
  },
  'must be a mapping of name, level and permissions',
);

const PresetFile = z.strictObject(
  {
    name: z.string(NAME_RULE).regex(ROLE_NAME_PATTERN, NAME_RULE),
    roles: z
      .array(PresetRole, 'must be a list of roles')
      .min(1, 'must name at least one role')
      .max(100, 'must have at most 100 roles'),
  },
  'must be a mapping of name and roles',
);

/** The content of a system role. The permissions are sorted and without repeats. */
export type PresetRole = Readonly<z.output<typeof PresetRole>>;

export interface Preset {
  readonly name: string;
  readonly roles: readonly PresetRole[];
}

/**
 * A preset that cannot be read or written. Each problem is one line. For a wrong field, it names the role and the
 * field.
 */
export class PresetRefused extends OperatorError {
  override readonly name = 'PresetRefused';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** The names of the presets that come with the service. */
export function listPresets(): string[] {
  return readdirSync(SHIPPED)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -'.yaml'.length))
    .sort();
}

/** Reads a preset by the name of a shipped preset, or by the path of a file. Raises PresetRefused. */
export function readPreset(nameOrPath: string): Preset {
  const shipped = listPresets();
  if (shipped.includes(nameOrPath)) return parsePreset(readText(`${SHIPPED}${nameOrPath}.yaml`), nameOrPath);
  if (!/[./\\]/.test(nameOrPath)) {
    const known = shipped.join(', ');
    throw new PresetRefused([`There is no preset ${JSON.stringify(nameOrPath)}: name one of ${known}, or a YAML file`]);
  }
  return parsePreset(readText(nameOrPath), nameOrPath);
}

function readText(path: string): string {
  try {
    const file = statSync(path);
    if (!file.isFile()) throw new PresetRefused([`${path}: is not a regular file`]); // reading a device or a pipe might never end
    if (file.size > FILE_BYTES_MAX) throw new PresetRefused([`${path}: must be smaller than ${FILE_BYTES_MAX} bytes`]);
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof PresetRefused) throw error;
    throw new PresetRefused([`${path}: cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`]);
  }
}

/** Returns the preset that a YAML text describes. Each problem begins with `source`. Raises PresetRefused. */
export function parsePreset(text: string, source: string): Preset {
  let raw: unknown;
  try {
    parse(text, { maxAliasCount: 0, prettyErrors: true });
    raw = withoutLostNumbers(text);
  } catch (error) {
    const { code, message } = error as Error & { readonly code?: string };
    if (code === 'MULTIPLE_DOCS') throw new PresetRefused([`${source}: must be one YAML document`]);
    const [line = ''] = message.split('\n');
    throw new PresetRefused([`${source}: is not YAML: ${line.replace(/:$/, '')}`]);
  }
  const parsed = PresetFile.safeParse(raw);
  const problems = parsed.success
    ? contradictions(parsed.data)
    : parsed.error.issues.flatMap((issue) => problemLines(issue, raw));
  if (!parsed.success || problems.length > 0) throw new PresetRefused(problems.map((line) => `${source}: ${line}`));
  return parsed.data;
}

/** Returns the value of a YAML text. A number that would become another one, such as -0 or 1e-400, stays a text. */
function withoutLostNumbers(text: string): unknown {
  const document = parseDocument(text);
  visit(document, {
    Scalar(_, scalar) {
      const { source = '', value } = scalar;
      if (typeof value === 'number' && /^-?[\d.]/.test(source) && !isFaithfulNumber(source)) scalar.value = source;
    },
  });
  return document.toJS({ maxAliasCount: 0 });
}

/** Returns one line for each wrong field, such as `role "agent": permissions.3: must be …`. */
function problemLines(issue: z.core.$ZodIssue, raw: unknown): string[] {
  const [list, index, ...rest] = issue.path;
  const isRole = list === 'roles' && typeof index === 'number';
  const place = isRole ? `${roleAt(raw, index)}: ` : '';
  const path = isRole ? rest : issue.path;
  const line = (field: readonly PropertyKey[], message: string) =>
    `${place}${field.length === 0 ? '' : `${field.map(String).join('.')}: `}${message}`;
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => line([...path, key], 'is not known here'));
  const missing = path.length > 0 && valueAt(raw, issue.path) === undefined;
  return [line(path, missing ? 'is required' : issue.message)];
}

function valueAt(raw: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | null)?.[key], raw);
}

function roleAt(raw: unknown, index: number): string {
  const name = valueAt(raw, ['roles', index, 'name']);
  return typeof name === 'string' ? `role ${JSON.stringify(name.slice(0, 60))}` : `role ${index + 1}`;
}

/**
 * Finds problems that concern several roles: a repeated name, no role with ownership, several roles with ownership, or
 * a role with ownership that is not the highest.
 */
function contradictions({ roles }: Preset): string[] {
  const names = roles.map(({ name }) => name);
  const twice = [...new Set(names.filter((name, index) => names.indexOf(name) !== index))];
  const problems = twice.map((name) => `role "${name}": name: is there more than once`);
  const owners = roles.filter(({ ownership }) => ownership);
  const [owner] = owners;
  if (!owner) problems.push('ownership: must be true for one role, which makes its holders owners');
  for (const { name } of owners.slice(1)) {
    problems.push(`role "${name}": ownership: is true for "${owner?.name}" already; one role gives ownership`);
  }
  if (owner && roles.some(({ level }) => level > owner.level)) {
    problems.push(`role "${owner.name}": level: must be the highest, because the role gives ownership`);
  }
  return problems;
}

/**
 * Returns the YAML text of a preset, with the highest role first. Raises PresetRefused if `parsePreset` would refuse
 * that text.
 */
export function writePreset(preset: Preset): string {
  const roles = [...preset.roles]
    .sort((a, b) => b.level - a.level || (a.name < b.name ? -1 : 1))
    .map(({ name, description, level, ownership, permissions }) => ({
      name,
      ...(description === '' ? {} : { description }),
      level,
      ...(ownership ? { ownership } : {}),
      permissions,
    }));
  const text = stringify({ name: preset.name, roles }, { lineWidth: 0, aliasDuplicateObjects: false });
  parsePreset(text, preset.name);
  return text;
}
