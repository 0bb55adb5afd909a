// Applies a preset to the system roles, for an operator and when the service starts with a database without system
// roles. Also exports the system roles as a preset.

import type { Database, SystemTx } from '../../base/database/db.ts';
import { problem } from '../../base/errors/problem.ts';
import { record } from '../../base/events/record.ts';
import type { Clock } from '../../base/platform/clock.ts';
import { newId, type Random } from '../../base/platform/random.ts';
import { type PublishDeps, publishing } from '../../base/revoking/publish.ts';
import { beginRaising, HOLDERS_AT_ONCE_MAX, raiseHolders } from '../roles/raise-holders.ts';
import { listUnfinishedChanges, type UnfinishedChange } from '../roles/raise-store.ts';
import { SYSTEM_OWNER } from '../roles/store.ts';
import { raiseMembershipEpochs } from '../users/epoch-store.ts';
import { ownershipAfter, type PlanOptions, type PlanStep, type PresetPlan, planPreset, planWith } from './plan.ts';
import { type Preset, PresetRefused, readPreset, writePreset } from './presets.ts';
import {
  countHolders,
  deleteSystemRoles,
  insertSystemRole,
  listHolders,
  listSystemRoles,
  lockOrganizationsOf,
  lockRoleNames,
  lockRoles,
  lockSystemRoles,
  type SystemRole,
  updateSystemRole,
} from './store.ts';

export interface PresetDeps extends PublishDeps {
  readonly db: Database;
  readonly clock: Clock;
  readonly random: Random;
}

export interface AppliedPreset {
  readonly plan: PresetPlan;
  /**
   * The number of users who have a role whose permissions or ownership changed. Their older access tokens are now
   * refused.
   */
  readonly usersAffected: number;
}

// Planning and counting the users of a million memberships takes much less time than this limit.
const WITHIN_MS = 600_000;

/**
 * Makes the system roles that the preset names equal to the preset and, with `prune`, removes the others, in one
 * transaction with one event. If many users have a changed role, their epochs are raised afterwards in slices: see
 * roles/raise-holders.ts. Returns when all of them are raised. If this process ends earlier, the service continues the
 * work. A second call with the same preset changes nothing, and waits for what is not raised yet. Raises
 * role_name_taken, role_in_use or last_owner, each with a sentence that names the obstacle.
 */
export async function applyPreset(deps: PresetDeps, preset: Preset, options: PlanOptions = {}): Promise<AppliedPreset> {
  // Usually nothing has to change. Then no transaction is opened, except to finish an earlier change.
  const first = await planPreset(deps.db, preset, options);
  if (first.changes === 0) {
    for (const change of await listUnfinishedChanges(deps.db.systemReader(), SYSTEM_OWNER)) {
      await raiseHolders(deps, change);
    }
    return { plan: first, usersAffected: 0 };
  }
  const commit = deps.db.system(
    async (tx) => {
      await lockRolesToChange(tx, preset, options);
      const plan = await planWith(tx, preset, options);
      if (plan.changes === 0) return { plan, usersAffected: 0, revocations: [], unfinished: [] }; // another process applied it
      const [obstacle] = plan.obstacles;
      if (obstacle) throw problem(obstacle.code, { detail: plan.obstacles.map(({ detail }) => detail).join(' ') });
      const present = await listSystemRoles(tx);
      await write(deps, tx, preset, plan, present);
      const changed = rightsChanged(plan.steps, present);
      const usersAffected = changed.length === 0 ? 0 : await countHolders(tx, changed);
      await recordApplied(deps, tx, plan, usersAffected);
      if (usersAffected > HOLDERS_AT_ONCE_MAX) {
        return { plan, usersAffected, revocations: [], unfinished: await beginAll(deps, tx, changed) };
      }
      const holders = usersAffected === 0 ? [] : await listHolders(tx, changed);
      return { plan, usersAffected, revocations: await raiseMembershipEpochs(tx, holders), unfinished: [] };
    },
    { timeoutMs: WITHIN_MS },
  );
  const { plan, usersAffected, unfinished } = await publishing(deps, commit);
  for (const change of unfinished) await raiseHolders(deps, change);
  return { plan, usersAffected };
}

async function beginAll(deps: PresetDeps, tx: SystemTx, roleIds: readonly string[]): Promise<UnfinishedChange[]> {
  const begun: UnfinishedChange[] = [];
  for (const roleId of roleIds) {
    begun.push(await beginRaising(deps, tx, { organizationId: null, ownerKey: SYSTEM_OWNER, roleId }));
  }
  return begun;
}

/**
 * Locks in the order that changes of members use, too: organizations, role names, roles, users. While the roles are
 * locked, nobody can assign them, so no user gets the old content of a role unnoticed. Organizations are locked only
 * where a member may stop being an owner.
 */
async function lockRolesToChange(tx: SystemTx, preset: Preset, options: PlanOptions): Promise<void> {
  await lockSystemRoles(tx);
  const { steps } = await planWith(tx, preset, options);
  const present = await listSystemRoles(tx);
  const removed = new Set(steps.filter(({ action }) => action === 'remove').map(({ role }) => role));
  const { lost } = ownershipAfter(preset, present, removed);
  if (lost.length > 0) await lockOrganizationsOf(tx, lost);
  if (steps.some(({ action }) => action === 'create')) await lockRoleNames(tx);
  const changing = idsOf(
    present,
    steps.filter(({ action }) => action === 'update' || action === 'remove'),
  );
  if (changing.length > 0) await lockRoles(tx, changing);
}

function idsOf(present: readonly SystemRole[], steps: readonly PlanStep[]): string[] {
  const names = new Set(steps.map(({ role }) => role));
  return present.filter(({ name }) => names.has(name)).map(({ id }) => id);
}

// A change of level needs no new tokens. No token contains the level, and every comparison of levels reads them from
// the database.
function rightsChanged(steps: readonly PlanStep[], present: readonly SystemRole[]): string[] {
  const changed = steps.filter(({ changes }) =>
    changes.some(({ field }) => field === 'permissions' || field === 'ownership'),
  );
  return idsOf(present, changed);
}

async function write(
  deps: PresetDeps,
  tx: SystemTx,
  preset: Preset,
  { steps }: PresetPlan,
  present: readonly SystemRole[],
): Promise<void> {
  const ids = new Map(present.map(({ name, id }) => [name, id]));
  const roles = new Map(preset.roles.map((role) => [role.name, role]));
  for (const { action, role: name } of steps) {
    const role = roles.get(name);
    const id = ids.get(name);
    if (action === 'create' && role) await insertSystemRole(tx, newId(deps.random, deps.clock), role);
    else if (action === 'update' && role && id) await updateSystemRole(tx, id, role);
    else if (action === 'remove' && id) await deleteSystemRoles(tx, [id]);
  }
}

async function recordApplied(deps: PresetDeps, tx: SystemTx, plan: PresetPlan, usersAffected: number): Promise<void> {
  const named = (action: PlanStep['action']) =>
    plan.steps.filter((step) => step.action === action).map(({ role }) => role);
  await record(tx, {
    id: newId(deps.random, deps.clock),
    type: 'roles.preset_applied',
    organizationId: null,
    actorId: null,
    targetId: null,
    data: {
      preset: plan.preset,
      created: named('create'),
      updated: named('update'),
      removed: named('remove'),
      usersAffected,
    },
  });
}

/**
 * Runs when the service starts. If the database has no system role, applies the preset (the name of a shipped preset,
 * or a path), and returns the names of the created roles. Otherwise returns an empty list, because only the operator's
 * command changes existing system roles. Raises PresetRefused.
 */
export async function applyFirstPreset(deps: PresetDeps, nameOrPath: string): Promise<string[]> {
  const preset = readPreset(nameOrPath);
  if ((await listSystemRoles(deps.db.systemReader())).length > 0) return [];
  const { plan } = await applyPreset(deps, preset);
  return plan.steps.filter(({ action }) => action === 'create').map(({ role }) => role);
}

/**
 * Returns the system roles as the YAML text of a preset. Applying that preset changes nothing. Raises PresetRefused.
 */
export async function exportRoles(deps: { readonly db: Database }, name = 'exported'): Promise<string> {
  const roles = await listSystemRoles(deps.db.systemReader());
  const owners = roles.filter(({ ownership }) => ownership).map((role) => role.name);
  if (owners.length > 1) {
    throw new PresetRefused([
      `More than one role gives ownership (${owners.join(', ')}), but a preset has exactly one such role: assign one of them to all owners, and remove the others`,
    ]);
  }
  if (owners.length === 0) throw new PresetRefused(['No system role gives ownership: apply a preset first']);
  return writePreset({ name, roles });
}
