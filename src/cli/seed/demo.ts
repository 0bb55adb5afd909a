// The demo organization, which `tenantry seed` creates, and a development start with the embedded database. The random
// password of its owner is kept in the data folder.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { PasswordDeps } from '../../admin/accounts/change-account.ts';
import { createAccount } from '../../admin/accounts/create-account.ts';
import { Problem, problem } from '../../base/errors/problem.ts';
import { newId } from '../../base/platform/random.ts';
import {
  chooseSlug,
  type InsertOrganizationDeps,
  insertOrganization,
} from '../../directory/organizations/insert-organization.ts';
import { findCredentials } from '../../directory/users/store.ts';

export interface DemoOwner {
  readonly email: string;
  readonly password: string;
}

type DemoDeps = Omit<PasswordDeps, 'publish'> & InsertOrganizationDeps;

const EMAIL = 'owner@demo.example';
const ORGANIZATION = 'Demo';

/**
 * Creates the demo organization unless it exists. Returns the credentials of its owner. Returns null when the
 * credentials were lost.
 */
export async function seedDemo(deps: DemoDeps, dataDirectory: string): Promise<DemoOwner | null> {
  const file = join(dataDirectory, 'demo.json');
  const remembered = readOwner(file);
  if (await findCredentials(deps.db.systemReader(), EMAIL)) return remembered;
  const owner = remembered ?? makeOwner(deps, file);
  const slug = await chooseSlug(deps, ORGANIZATION, null);
  try {
    const account = { ...owner, name: 'Demo Owner', verified: true, organizationName: ORGANIZATION };
    await whenFree(() =>
      createAccount(deps, account, async (tx, ownerId) => {
        const organizationId = newId(deps.random, deps.clock);
        const creating = { organizationId, ownerId, actorId: null, name: ORGANIZATION, slug };
        if (!(await insertOrganization(deps, tx, creating))) throw problem('slug_taken');
      }),
    );
  } catch (error) {
    if (!(error instanceof Problem && error.code === 'email_taken')) throw error;
  }
  return owner;
}

// Nobody has set a password in this process before, so the dictionaries that judge passwords load now.
const TRIES_MAX = 12;

/** Runs work again while the service is busy. Each try itself waits a few seconds before it fails. */
async function whenFree<T>(work: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const isBusy = error instanceof Problem && error.code === 'service_busy';
      if (!isBusy || tries === TRIES_MAX) throw error;
    }
  }
}

function readOwner(file: string): DemoOwner | null {
  try {
    const { email, password } = JSON.parse(readFileSync(file, 'utf8')) as Partial<DemoOwner>;
    return email === EMAIL && typeof password === 'string' ? { email, password } : null;
  } catch {
    return null;
  }
}

// The password is written before the account is created, so that it is not lost when the process crashes between the
// two steps.
function makeOwner(deps: DemoDeps, file: string): DemoOwner {
  const owner = { email: EMAIL, password: deps.random.bytes(15).toString('base64url') };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify(owner, null, 2)}\n`, { mode: 0o600 });
  return owner;
}
