// Plans what a preset would change. The plan contains the difference between the preset's roles and the existing system
// roles, and the obstacles to applying the preset. This file changes nothing.
import { isDeepStrictEqual } from 'node:util';
import type { Database, SystemReader } from '../../base/database/db.ts';
import type { ProblemCode } from '../../base/errors/problem.ts';
import type { Preset, PresetRole } from './presets.ts';
import { findLeftWithoutOwner, listNameClashes, listSystemRoles, listUses, type SystemRole } from './store.ts';

export interface FieldChange {
  readonly field: 'description' | 'level' | 'ownership' | 'permissions';
  readonly from: string | number | boolean | readonly string[];
  readonly to: string | number | boolean | readonly string[];
}

export interface PlanStep {
  readonly action: 'create' | 'update' | 'keep' | 'remove';
  /** The name of the system role. */
  readonly role: string;
  /** The fields that an update changes. Empty for the other actions. */
  readonly changes: readonly FieldChange[];
}

/** Why a preset cannot be applied now: a code of the problem table, and a sentence that names the obstacle. */
export interface Obstacle {
  readonly code: Extract<ProblemCode, 'role_name_taken' | 'role_in_use' | 'last_owner'>;
  readonly detail: string;
}

export interface PresetPlan {
  readonly preset: string;
  /** The roles of the preset in its order, then the roles to remove. */
  readonly steps: readonly PlanStep[];
  /** The system roles that are kept although the preset does not name them. */
  readonly unlisted: readonly string[];
  /**
   * The roles with ownership after the preset has been applied. There is more than one if the former role with
   * ownership keeps it.
   */
  readonly owners: readonly string[];
  /** The roles that will get ownership and exist already, with the number of the members who have each of them. */
  readonly promoted: readonly { readonly role: string; readonly members: number }[];
  readonly obstacles: readonly Obstacle[];
  /** How many steps are not `keep`. */
  readonly changes: number;
}

export interface PlanOptions {
  /** Whether system roles that the preset does not name are removed. */
  readonly prune?: boolean;
}

/** Returns what applying the preset would change in the database now. Raises DatabaseUnavailable. */
export function planPreset(db: Database, preset: Preset, options: PlanOptions = {}): Promise<PresetPlan> {
  return planWith(db.systemReader(), preset, options);
}

/** Does the same as planPreset, within the transaction that then applies the preset. */
export async function planWith(tx: SystemReader, preset: Preset, options: PlanOptions): Promise<PresetPlan> {
  const present = await listSystemRoles(tx);
  const steps = compare(preset, present, options.prune ?? false);
  const removed = new Set(steps.filter(({ action }) => action === 'remove').map(({ role }) => role));
  const listed = new Set(preset.roles.map(({ name }) => name));
  return {
    preset: preset.name,
    steps,
    unlisted: present.map(({ name }) => name).filter((name) => !listed.has(name) && !removed.has(name)),
    owners: ownersAfter(preset, present, removed),
    promoted: await findPromoted(tx, present, steps),
    obstacles: await findObstacles(tx, preset, present, steps),
    changes: steps.filter(({ action }) => action !== 'keep').length,
  };
}

const FIELDS = ['description', 'level', 'ownership', 'permissions'] as const;

function compare(preset: Preset, present: readonly SystemRole[], prune: boolean): PlanStep[] {
  const byName = new Map(present.map((role) => [role.name, role]));
  const wanted = new Set(preset.roles.map(({ name }) => name));
  const steps = preset.roles.map((role): PlanStep => {
    const old = byName.get(role.name);
    if (!old) return { action: 'create', role: role.name, changes: [] };
    const changes = FIELDS.filter((field) => !isDeepStrictEqual(old[field], role[field]));
    return {
      action: changes.length === 0 ? 'keep' : 'update',
      role: role.name,
      changes: changes.map((field) => ({ field, from: old[field], to: role[field] })),
    };
  });
  const pruned = prune ? present.filter(({ name }) => !wanted.has(name)) : [];
  return [...steps, ...pruned.map(({ name }): PlanStep => ({ action: 'remove', role: name, changes: [] }))];
}

function namesOf(steps: readonly PlanStep[], action: PlanStep['action']): string[] {
  return steps.filter((step) => step.action === action).map(({ role }) => role);
}

async function findObstacles(
  tx: SystemReader,
  preset: Preset,
  present: readonly SystemRole[],
  steps: readonly PlanStep[],
): Promise<Obstacle[]> {
  const obstacles: Obstacle[] = [];
  const created = namesOf(steps, 'create');
  for (const { name, organizations } of created.length === 0 ? [] : await listNameClashes(tx, created)) {
    const who = organizations === 1 ? '1 organization has' : `${organizations} organizations have`;
    obstacles.push({
      code: 'role_name_taken',
      detail: `${who} a custom role with the name ${name}: rename one of the two.`,
    });
  }
  const removed = new Set(namesOf(steps, 'remove'));
  const removedIds = present.filter(({ name }) => removed.has(name)).map(({ id }) => id);
  for (const { name, members, invitations } of removed.size === 0 ? [] : await listUses(tx, removedIds)) {
    const held = `held by ${members} ${members === 1 ? 'member' : 'members'}`;
    const offered = `offered by ${invitations} pending ${invitations === 1 ? 'invitation' : 'invitations'}`;
    obstacles.push({
      code: 'role_in_use',
      detail: `The role ${name} is ${held} and ${offered}: it cannot be removed.`,
    });
  }
  const { lost, remaining } = ownershipAfter(preset, present, removed);
  if (lost.length === 0) return obstacles;
  const { organizations, slugs } = await findLeftWithoutOwner(tx, lost, remaining);
  if (organizations > 0) {
    const who = organizations === 1 ? '1 organization' : `${organizations} organizations`;
    const named = `${slugs.join(', ')}${slugs.length < organizations ? ', …' : ''}`;
    obstacles.push({
      code: 'last_owner',
      detail: `${who} would be left without an owner (${named}): assign the new owners' role first, for example by tenantry users grant.`,
    });
  }
  return obstacles;
}

function ownersAfter(preset: Preset, present: readonly SystemRole[], removed: ReadonlySet<string>): string[] {
  const { remaining } = ownershipAfter(preset, present, removed);
  const stays = present.filter(({ id }) => remaining.includes(id));
  const made = preset.roles.filter(({ ownership }) => ownership);
  return [...new Set([...made, ...stays].map(({ name }) => name))];
}

async function findPromoted(tx: SystemReader, present: readonly SystemRole[], steps: readonly PlanStep[]) {
  const names = steps
    .filter(({ changes }) => changes.some(({ field, to }) => field === 'ownership' && to === true))
    .map(({ role }) => role);
  const ids = present.filter(({ name }) => names.includes(name)).map(({ id }) => id);
  const uses = ids.length === 0 ? [] : await listUses(tx, ids);
  return names.map((role) => ({ role, members: uses.find(({ name }) => name === role)?.members ?? 0 }));
}

/** The ids of the existing roles that will lose ownership, and of those that will have it afterwards. */
export function ownershipAfter(
  preset: Preset,
  present: readonly SystemRole[],
  removed: ReadonlySet<string>,
): { readonly lost: string[]; readonly remaining: string[] } {
  const wanted = new Map<string, PresetRole>(preset.roles.map((role) => [role.name, role]));
  const stays = ({ name, ownership }: SystemRole) => !removed.has(name) && (wanted.get(name)?.ownership ?? ownership);
  return {
    lost: present.filter((role) => role.ownership && !stays(role)).map(({ id }) => id),
    remaining: present.filter(stays).map(({ id }) => id),
  };
}
