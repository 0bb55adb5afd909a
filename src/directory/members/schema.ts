// The wire shapes of members and of role assignments. Invitations use the shape of role assignments, too.
import { z } from 'zod';
import { Id, Instant, line, PageQuery, text } from '../../base/http/wire.ts';
import { SCOPE_BYTES_MAX, scopeBytes } from '../rights/scope.ts';

const UUID = '[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
const ROLE_REFERENCE = new RegExp(`^(?:[a-z][a-z0-9_-]{0,39}|${UUID})$`);

/** A role as a caller names it, by id or name. A text that has the shape of an id is always read as an id. */
const RoleReference = z.string().regex(ROLE_REFERENCE, 'must be the id or the name of a role');

// Ordinary JavaScript objects inherit keys such as `constructor`. A service that reads such a key of a scope would find
// a value that nobody has set.
const ScopeKey = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9_-]{0,39}$/, 'must be letters, digits, - and _, and begin with a letter')
  .refine((key) => !(key in {}) && key !== 'prototype', 'must not be a name that every object has');

// The text is stored as it was sent. Two texts that differ by a space or in their Unicode form are different values.
// Only programs compare the text, so a text without a visible character is accepted.
const CleanText = line(200, 0);
export const ScopeText = z
  .string()
  .max(1600)
  .refine((value) => CleanText.safeParse(value).success, 'must be one line of text of at most 200 characters');

/**
 * JavaScript reads several whole numbers above 2^53 as the same number. Without this limit, a role whose scope names
 * one record could also grant rights to another record.
 */
export const DistinctNumber = z
  .number()
  .refine(
    (value) => !Number.isInteger(value) || Number.isSafeInteger(value),
    'must not be a whole number past 2^53: send it as text',
  );

// PostgreSQL writes a number that has an exponent with all of its digits, which can be much longer.
const ScopeNumber = DistinctNumber.refine(
  (value) => !/[eE]/.test(String(value)),
  'must be a number that is written without an exponent',
);

/** The scope of an assignment or of a permission check. `{}` means everywhere. */
export const Scope = z
  .record(ScopeKey, z.union([ScopeText, ScopeNumber, z.boolean()], 'must be text, a number or a boolean'))
  .refine((scope) => Object.keys(scope).length <= 10, 'must have at most 10 members')
  .refine((scope) => scopeBytes(scope) <= SCOPE_BYTES_MAX, `must have at most ${SCOPE_BYTES_MAX} bytes`)
  .meta({
    id: 'Scope',
    description: 'Where the role grants. A check must have equal values for all of these keys. {} means everywhere.',
  });

/** A role to assign or offer. */
export const RoleChoice = z
  .strictObject(
    { role: RoleReference, scope: Scope.default({}) },
    // For an unknown key, the message of zod is kept, because it names the key.
    { error: ({ code }) => (code === 'invalid_type' ? 'must be an object such as {"role":"agent"}' : undefined) },
  )
  .meta({ id: 'RoleChoice' });

/** One to twenty roles to assign or offer. */
export const RoleChoices = z
  .array(RoleChoice)
  .min(1, 'must name at least one role')
  .max(20, 'must name at most 20 roles');

export const AssignedRole = z
  .strictObject({
    id: Id,
    name: z.string(),
    scope: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  })
  .meta({ id: 'AssignedRole' });

const MemberStatus = z.enum(['active', 'suspended']);

export const Member = z
  .strictObject({
    id: Id,
    email: z.string(),
    name: z.string(),
    status: MemberStatus,
    roles: z.array(AssignedRole),
    joinedAt: Instant,
  })
  .meta({ id: 'Member' });

export const MemberQuery = PageQuery.extend({
  q: text(120).optional(),
  status: MemberStatus.optional(),
  role: RoleReference.optional(),
});

export const ChangeMember = z
  .strictObject({ roles: RoleChoices.optional(), status: MemberStatus.optional() })
  .refine((body) => body.roles !== undefined || body.status !== undefined, 'must have roles or status')
  .meta({ id: 'ChangeMember' });
