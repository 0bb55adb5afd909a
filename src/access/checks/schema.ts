// The wire shapes of permission checks.
import { z } from 'zod';
import { Id } from '../../base/http/wire.ts';
import { DistinctNumber, ScopeText } from '../../directory/members/schema.ts';
import { REASONS } from './decide.ts';

const QUESTIONS_MAX = 100;
const SCOPE_KEYS_MAX = 10;
/** One half of the permission in a question. Wildcards are not allowed. */
const Name = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,39}$/,
    'must be a name of at most 40 characters from a-z, 0-9, _ and -, such as contacts or read',
  );

const ScopeKey = z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,39}$/);

// Values are compared as they were sent, so they have the same shapes as in role assignments.
const AskedScope = z
  .record(ScopeKey, z.union([ScopeText, DistinctNumber, z.boolean()], 'must be text, a number or a boolean'), {
    error: ({ code }) => (code === 'invalid_key' ? 'cannot be used as a key' : 'must be a flat object'),
  })
  .refine((scope) => Object.keys(scope).length <= SCOPE_KEYS_MAX, `must have at most ${SCOPE_KEYS_MAX} keys`)
  .meta({ description: 'What the question is about: flat, at most 10 keys.' });

export const CheckQuestion = z
  .strictObject({
    userId: Id.optional().meta({
      description:
        'The default is the caller. A user needs `users:read` to ask about somebody else. A service client must name a user.',
    }),
    resource: Name,
    action: Name,
    scope: AskedScope.default({}),
    explain: z.boolean().default(false).meta({ description: 'Also say which role decided, or what is missing.' }),
  })
  .meta({ id: 'CheckQuestion' });

export const CheckBatch = z
  .strictObject({
    checks: z
      .array(CheckQuestion)
      .min(1, 'must contain a question')
      .max(QUESTIONS_MAX, `must contain at most ${QUESTIONS_MAX} questions`),
  })
  .meta({ id: 'CheckBatch' });

const Scope = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const RoleName = z.strictObject({ id: Id, name: z.string() });

const GrantedBy = z
  .strictObject({
    permission: z.string().meta({ description: 'The pattern that the role contains, such as `contacts:*`.' }),
    role: RoleName,
    assignmentId: Id,
    scope: Scope.meta({ description: 'Where the assignment grants; {} is everywhere.' }),
  })
  .meta({ id: 'CheckGrantedBy' });

const Missing = z
  .strictObject({
    missing: z.string().meta({ description: 'The requested permission: `resource:action`.' }),
    heldRoles: z.array(z.string()),
    wouldGrant: z
      .array(z.strictObject({ role: RoleName, scope: Scope }))
      .meta({ description: 'Roles of the user that contain the permission, with the scope of each assignment.' }),
  })
  .meta({ id: 'CheckMissing' });

export const CheckAnswer = z
  .strictObject({
    allowed: z.boolean(),
    reason: z.enum(REASONS),
    explanation: z.union([GrantedBy, Missing]).optional().meta({ description: 'Only with `explain`.' }),
  })
  .meta({ id: 'CheckAnswer' });
