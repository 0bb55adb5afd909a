// The rules for writes: each table has one owner, which is the folder whose store inserts its rows. Only this folder
// writes to the table, and only it calls the writing functions of its store. Each exception has its reason.
import { dirname, relative } from 'node:path';
import type { Source } from '../support/sources.ts';
import { STORE } from './edges.ts';
import { edgesOf, placeOf } from './imports.ts';
import { kept, ownSources, type Repository, type Rule } from './repository.ts';
import { codeOf, exportsOf } from './syntax.ts';

/** A file or folder of src/, the tables or functions of another folder that it uses to write, and the reason. */
interface Exception {
  readonly at: string;
  readonly writes: readonly string[];
  readonly reason: string;
}

// The owners of the tables into which several folders insert rows. The owner of any other table is the only folder that
// inserts into that table.
const OWNERS: Readonly<Record<string, string>> = {
  events: 'base/events',
  revocations: 'credentials/revocations',
  user_search: 'directory/users',
  person_keys: 'sign-in/sessions',
  personal_data: 'credentials/data-keys',
  roles: 'directory/roles',
};
// Every change writes its event and its revocation in its own statement, so that none is lost.
const WITH_EVERY_CHANGE = ['events', 'revocations'];

const FOREIGN_TABLES: readonly Exception[] = [
  {
    at: 'directory/users',
    writes: ['memberships', 'organizations'],
    reason: 'The epochs of users and of their memberships are one counter; the epoch of roles ends tokens as they do.',
  },
  {
    at: 'credentials/revocations',
    writes: ['memberships', 'a table by a variable'],
    reason: 'After a failover that lost changes, the epochs are raised to what the processes remember.',
  },
  {
    at: 'directory/rights',
    writes: ['memberships', 'organizations'],
    reason: 'Every change of rights spends the budget of its member or organization, in either folder of changes.',
  },
  {
    at: 'admin/sessions',
    writes: ['users'],
    reason: 'Ending all sessions raises the epochs of their users in the same statement.',
  },
  {
    at: 'admin/organizations',
    writes: ['organizations', 'subscriptions'],
    reason: 'The platform suspends organizations and sets their limits without being a member of any.',
  },
  {
    at: 'admin/restore',
    writes: ['sessions', 'invitations', 'memberships', 'organizations', 'database_lineage', 'a table by a variable'],
    reason: 'After a restored backup everything ends at once, in every table that counts epochs; the doubt is over.',
  },
  {
    at: 'admin/personal-data',
    writes: [
      'users',
      'user_search',
      'sessions',
      'invitations',
      'outbox',
      'person_keys',
      'personal_data',
      'a table by a variable',
    ],
    reason:
      'Rows of every table are sealed after the update, and again with a newer key. What they say stays the same.',
  },
  {
    at: 'directory/organizations',
    writes: ['memberships', 'sessions', 'a table by a variable'],
    reason: 'A deleted organization takes its rows in every table with it, in portions.',
  },
  {
    at: 'directory/presets',
    writes: ['roles'],
    reason: 'The system roles belong to no organization and change only by a preset.',
  },
];

// The writing functions that every folder may call. A change of a user's rights raises the user's epoch in the same
// transaction. A statement that ends sessions, or that finds somebody by
// the e-mail address, is built with these functions. `withPerson` opens a row.
const FOR_ALL: readonly string[] = [
  'raiseEpochs',
  'raiseMembershipEpochs',
  'raiseRolesEpoch',
  'payForMemberChange',
  'payForRoleChange',
  'endSessionsSql',
  'endSessionsStatement',
  'runEndSessions',
  'byEmail',
  'withPerson',
];

const FOREIGN_WRITERS: readonly Exception[] = [
  {
    at: 'sign-in/password/register.ts',
    writes: ['insertUser'],
    reason: 'An account is opened by signing in for the first time.',
  },
  {
    at: 'sign-in/password/login.ts',
    writes: ['updateHash', 'markSurplusEnded'],
    reason: 'A hash of older parameters is replaced where the password is known; too many sessions end at a sign-in.',
  },
  {
    at: 'sign-in/mailbox-proof/claim.ts',
    writes: ['takeOverUnproven', 'markSentRevoked', 'markSessionsEnded', 'markDeleted'],
    reason: 'Whoever proves a mailbox gets the account without what somebody else may have left in it.',
  },
  {
    at: 'sign-in/verify-email/verify-email.ts',
    writes: ['markEmailVerified'],
    reason: 'The token or code that was sent to a mailbox proves it.',
  },
  {
    at: 'sign-in/browser/authenticate.ts',
    writes: ['touchSession'],
    reason: 'The guard of pages notes that a session is used, as a refresh does.',
  },
  {
    at: 'sign-in/accept-invitation/accept-invitation.ts',
    writes: ['insertUser', 'markEmailVerified', 'takeOverUnproven', 'markSentRevoked'],
    reason: 'The token that was sent to a mailbox proves it; what was sent there before ends with that.',
  },
  {
    at: 'sign-in/accept-invitation/accept-invitation.ts',
    writes: ['markSessionsEnded', 'updateSessionOrganization'],
    reason: 'Accepting ends the sessions of a claimed account, or lets the caller’s session act for the organization.',
  },
  {
    at: 'admin/accounts/create-account.ts',
    writes: ['insertUser', 'markEmailVerified'],
    reason: 'An operator makes an account together with its membership or organization.',
  },
  {
    at: 'admin/accounts/change-account.ts',
    writes: ['updateAccountStatus', 'setPasswordHash'],
    reason: 'An operator disables an account, or sets its password, and ends its sessions in the same transaction.',
  },
  {
    at: 'directory/organizations/insert-organization.ts',
    writes: ['insertMembership', 'insertAssignments'],
    reason: 'An organization begins with its owner, in one transaction.',
  },
  {
    at: 'directory/profile/profile.ts',
    writes: ['updateName', 'updateLocale'],
    reason: 'The own name and the own language are columns of the account.',
  },
];

const WRITE =
  /(?<!FOR |KEY |DO )\b(INSERT INTO|MERGE INTO|UPDATE|DELETE FROM|TRUNCATE TABLE)\s+(?:ONLY\s+)?["']?([a-z_]+|\$\{)/g;
const MODEL_WRITE = /\.models\s*\.(\w+)\s*\.(create|update|upsert|delete)\w*/g;
// Functions with these names do not write. A lock changes no row, and to… converts a row into a value.
const READ = /^(find|list|count|is|has|get|read|lock|to)[A-Z]/;
const CONSTANT = /^[A-Z_]+$/;

interface Write {
  readonly file: string;
  readonly table: string;
  readonly isInsert: boolean;
}

const sqlWritesOf = kept((source: Source): readonly Write[] => {
  const file = relative('src', source.path);
  return [...codeOf(source).matchAll(WRITE)].map(([, verb = '', table = '']) => ({
    file,
    table: table === '${' ? 'a table by a variable' : table,
    isInsert: verb.endsWith('INTO'),
  }));
});

function writesOf(repository: Repository): Write[] {
  const models = new Map(
    [...repository.schema.text.matchAll(/^model (\w+) \{[\s\S]*?@@map\("(\w+)"\)/gm)].map(
      ([, model = '', table = '']) => [model.charAt(0).toLowerCase() + model.slice(1), table],
    ),
  );
  return ownSources(repository).flatMap((source) => [
    ...sqlWritesOf(source),
    ...[...codeOf(source).matchAll(MODEL_WRITE)].map(([, model = '', verb]) => ({
      file: relative('src', source.path),
      table: models.get(model) ?? model,
      isInsert: verb === 'create' || verb === 'upsert',
    })),
  ]);
}

function ownersOf(writes: readonly Write[]): Map<string, string[]> {
  const owners = new Map<string, string[]>();
  for (const { file, table, isInsert } of writes) {
    const known = owners.get(table) ?? [];
    if (isInsert && !known.includes(placeOf(file))) owners.set(table, [...known, placeOf(file)]);
  }
  for (const [table, owner] of Object.entries(OWNERS)) owners.set(table, [owner]);
  return owners;
}

/** Returns the writes of other folders without an exception, and the exceptions without such a write. */
function judge(
  foreign: readonly (readonly [file: string, name: string])[],
  exceptions: readonly Exception[],
): string[] {
  const covers = ({ at, writes }: Exception, [file, name]: readonly [string, string]) =>
    (file === at || dirname(file) === at) && writes.includes(name);
  const bare = foreign.filter((one) => !exceptions.some((exception) => covers(exception, one)));
  const idle = exceptions.flatMap(({ at, writes, reason }) =>
    writes.map((name) => ({ at, name, isUsed: foreign.some((one) => covers({ at, writes: [name], reason }, one)) })),
  );
  return [
    ...bare.map(([file, name]) => `src/${file}: writes ${name}`),
    ...idle.filter(({ isUsed }) => !isUsed).map(({ at, name }) => `src/${at}: no longer writes ${name}`),
  ];
}

export const writeRules: readonly Rule[] = [
  {
    name: 'a table is written by the folder that owns it',
    find: (repository) => {
      const writes = writesOf(repository);
      const owners = ownersOf(writes);
      const foreign = writes.filter(({ file, table }) => {
        if (WITH_EVERY_CHANGE.includes(table)) return false;
        const owner = owners.get(table) ?? [];
        return owner.length !== 1 || owner[0] !== placeOf(file);
      });
      return judge(unique(foreign.map(({ file, table }) => [file, table] as const)), FOREIGN_TABLES);
    },
  },
  {
    name: 'the writing functions of a store are called only by its own folder',
    find: (repository) => {
      const stores = new Map(
        ownSources(repository)
          .filter(({ path }) => STORE.test(path))
          .map((source) => [relative('src', source.path), exportsOf(source)] as const),
      );
      const isWriter = (store: string, name: string) => {
        if (name.startsWith('*')) return true;
        if (READ.test(name) || CONSTANT.test(name) || FOR_ALL.includes(name)) return false;
        return stores.get(store)?.includes(name) ?? false;
      };
      const uses = edgesOf(repository).filter(({ to }) => STORE.test(to));
      const foreign = uses
        .filter(({ place, target, isPassedOn }) => place !== target || isPassedOn)
        .flatMap(({ file, to, names }) =>
          names.filter((name) => isWriter(to, name)).map((name) => [file, name] as const),
        );
      return judge(unique(foreign), FOREIGN_WRITERS);
    },
  },
];

function unique(pairs: readonly (readonly [string, string])[]): (readonly [string, string])[] {
  return [...new Map(pairs.map((pair) => [pair.join(' '), pair])).values()];
}
