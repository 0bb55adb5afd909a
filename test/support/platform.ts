// An administrator of the platform, and people who belong to no organization, for tests.
import { grantPlatformAdministrator } from '../../src/admin/administrators/administrators.ts';
import { type Account, type Api, newAccount } from './client.ts';
import type { Service } from './service.ts';

/** A user with an organization of their own whom an operator has made an administrator of the platform. */
export async function newAdministrator({ app, api }: Service): Promise<Account> {
  const account = await newAccount(api);
  await grantPlatformAdministrator(app.parts, account.email);
  return account;
}

/** A user of no organization, whose token therefore names none. */
export function newLoner(api: Api): Promise<Omit<Account, 'organization'>> {
  return newAccount(api, { organizationName: undefined });
}
