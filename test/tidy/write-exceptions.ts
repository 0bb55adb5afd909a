// The tables that several folders write to, and the writing functions that other folders call, each with the reason.

/** A file or folder of src/, the tables or functions of another folder that it uses to write, and the reason. */
export interface Exception {
  readonly at: string;
  readonly writes: readonly string[];
  readonly reason: string;
}

// The owners of the tables into which several folders insert rows. The owner of any other table is the only folder that
// inserts into that table.
export const OWNERS: Readonly<Record<string, string>> = {
  events: 'base/events',
  revocations: 'credentials/revocations',
  user_search: 'directory/users',
  person_keys: 'sign-in/sessions',
  personal_data: 'credentials/data-keys',
  roles: 'directory/roles',
};
// A change writes its event and its revocation in its own statement, so that none is lost.
export const WITH_EVERY_CHANGE = ['events', 'revocations'];

export const FOREIGN_TABLES: readonly Exception[] = [
  {
    at: 'directory/users',
    writes: ['memberships', 'organizations'],
    reason: 'The epochs of users and memberships are one counter, and the epoch of roles ends tokens in the same way.',
  },
  {
    at: 'credentials/revocations',
    writes: ['memberships', 'a table by a variable'],
    reason: 'After a failover that lost changes, the epochs are raised to what the processes remember.',
  },
  {
    at: 'directory/rights',
    writes: ['memberships', 'organizations'],
    reason: 'A change of rights spends the budget of its member or organization, whichever folder makes the change.',
  },
  {
    at: 'sign-in/reauthentication',
    writes: ['sessions'],
    reason: 'A new proof of the person is noted in the session in which it was given.',
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
    reason: 'After a restored backup everything ends at once in every table that counts epochs, and the doubt is over.',
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
      'Rows of these tables are sealed after the update, and again with a newer key. Their meaning stays the same.',
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
// transaction. A statement that requests a mail, that ends sessions, that finds somebody by the e-mail address, or that
// changes a session and returns what its next token says, is built with these functions. `withPerson` decrypts the
// e-mail and name of a row, and `subject` and `subjectOf` read from the database what the next token says.
export const FOR_ALL: readonly string[] = [
  'raiseEpochs',
  'raiseMembershipEpochs',
  'raiseRolesEpoch',
  'payForMemberChange',
  'payForRoleChange',
  'requestMailSql',
  'requestNewDeviceMailSql',
  'endSessionsSql',
  'endSessionsStatement',
  'runEndSessions',
  'byEmail',
  'withPerson',
  'subject',
  'subjectOf',
  'selectChanged',
  'changedSessionOf',
];

export const FOREIGN_WRITERS: readonly Exception[] = [
  {
    at: 'sign-in/forgotten-password/reset-password.ts',
    writes: ['setPasswordHash'],
    reason: 'The owner of the mailbox replaces a forgotten password.',
  },
  {
    at: 'sign-in/own-password/change-password.ts',
    writes: ['replacePassword'],
    reason: 'A person who knows the password, or has signed in just now, replaces it.',
  },
  {
    at: 'sign-in/own-email/confirm-change.ts',
    writes: ['updateEmail', 'insertReturn', 'endRevertsAfter'],
    reason: 'The token that was sent to the new address proves it.',
  },
  {
    at: 'sign-in/own-email/revert-change.ts',
    writes: ['updateEmail', 'insertReverts', 'deletePassword'],
    reason: 'The owner of the former address gets the account back without what somebody else may know of it.',
  },
  {
    at: 'sign-in/own-email/mail.ts',
    writes: ['sealRecipient'],
    reason: 'No account has the address of the recipient while this mail is on the way.',
  },
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
    at: 'sign-in/leaving/erase.ts',
    writes: [
      ...['closeAccountRow', 'eraseSessionsOf', 'deleteMembershipsOf', 'markSentRevoked', 'deleteAccepted'],
      ...['markDeleted', 'deleteTokensOf', 'deleteKeptOf', 'deleteMailsOf'],
    ],
    reason: 'Everything of a person is removed in one transaction, whichever folder owns it.',
  },
  {
    at: 'sign-in/leaving/mail.ts',
    writes: ['sealRecipient'],
    reason: 'The recipient of this mail has no account any more.',
  },
  {
    at: 'app/features.ts',
    writes: ['endAdministration'],
    reason: 'The administration of the platform ends with the account; its table belongs to a later wing.',
  },
  {
    at: 'admin/accounts/remove-unproven.ts',
    writes: ['endAdministration'],
    reason: 'By the same operation, the service removes an account that nobody has proven.',
  },
  {
    at: 'admin/organizations/delete-organization.ts',
    writes: ['markDeleted'],
    reason: 'An operator deletes an organization without being a member of it.',
  },
  {
    at: 'admin/accounts/close-account.ts',
    writes: ['endAdministration'],
    reason: 'An operator closes an account by the same operation as its owner.',
  },
  {
    at: 'sign-in/mailbox-proof/claim.ts',
    writes: ['markSentRevoked', 'markDeleted'],
    reason: 'The person who proves a mailbox gets the account without what another person may have left in it.',
  },
  {
    at: 'sign-in/mailbox-proof/proven.ts',
    writes: ['markEmailVerified', 'takeOverUnproven'],
    reason: 'Every proof of a mailbox is recorded here, with its event.',
  },
  {
    at: 'sign-in/registration/open-account.ts',
    writes: ['insertUser'],
    reason: 'The account exists from the proof of its mailbox on.',
  },
  {
    at: 'sign-in/registration/guess.ts',
    writes: ['writeToLog'],
    reason: 'A guess for an unknown registration waits for the disk, as a guess that is counted does.',
  },
  {
    at: 'sign-in/browser/authenticate.ts',
    writes: ['touchSession'],
    reason: 'The guard of pages notes that a session is used, as a refresh does.',
  },
  {
    at: 'sign-in/accept-invitation/accept-invitation.ts',
    writes: ['insertUser', 'updateSessionOrganization'],
    reason: 'The token opens an account, and the caller’s session may act for the organization.',
  },
  {
    at: 'admin/accounts/create-account.ts',
    writes: ['insertUser'],
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
    reason: 'A person’s name and language are columns of their account.',
  },
];
