// Revocations. Each names the tokens that must stop working before they expire. This file also defines the form of a
// revocation in the feed and in the stream, and the form that processes of the previous version read.

import { isWrittenId } from './id.ts';
import { KID_LENGTH_MAX } from './jws.ts';

/** Longer than any name of a role that the service accepts. */
const ROLE_NAME_LENGTH_MAX = 400;

export type Revocation =
  | { readonly kind: 'session'; readonly sid: string }
  | { readonly kind: 'user'; readonly sub: string; readonly epoch: number }
  /**
   * A change of one membership. It concerns the user's tokens for this organization only. The epochs of users and of
   * their memberships come from one counter, so a token without an epoch of its membership is judged by its own epoch.
   */
  | { readonly kind: 'membership'; readonly sub: string; readonly org: string; readonly epoch: number }
  /**
   * A change of a role that many members of the organization have. It concerns the tokens that name the role. Events of
   * the memberships follow, for tokens of the previous version, which have no epoch of the roles.
   */
  | { readonly kind: 'role'; readonly org: string; readonly role: string; readonly epoch: number }
  | { readonly kind: 'client'; readonly client_id: string; readonly epoch: number }
  /**
   * `at` is the time of the change by the database's clock (ms since 1970, to the microsecond). The later change
   * counts.
   */
  | {
      readonly kind: 'organization';
      readonly org: string;
      readonly state: 'active' | 'suspended';
      readonly at: number;
    }
  /** A signing key was revoked. It concerns every token that the key signed at any time. */
  | { readonly kind: 'key'; readonly kid: string }
  /** A backup was restored. It concerns every token issued before `not_before` (seconds since 1970). */
  | { readonly kind: 'everything'; readonly not_before: number };

/** The parts of a token that decide whether the token is revoked. A service client has no session. */
export interface RevocableToken {
  readonly id: string;
  readonly sessionId?: string;
  readonly epoch: number;
  /** The epoch of the membership. Null or absent in a token of the previous version: then `epoch` counts. */
  readonly membershipEpoch?: number | null;
  /** The names of the roles in the token, and the epoch of the organization's roles. A client has neither. */
  readonly roles?: readonly string[];
  /** Null or absent in a token of the previous version. */
  readonly rolesEpoch?: number | null;
  readonly organizationId: string | null;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  /** The `kid` of the key that signed the token. */
  readonly keyId?: string;
}

/**
 * Why a token is refused; null if it is not revoked. `invalid_token` says that the key of the token has been revoked.
 * It is also the answer for a key that nobody knows.
 */
export type RevocationVerdict = 'invalid_token' | 'session_revoked' | 'token_stale' | 'organization_suspended' | null;

const isKid = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= KID_LENGTH_MAX && /^[\x21-\x7e]+$/.test(value);
const isRoleName = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= ROLE_NAME_LENGTH_MAX;
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/**
 * The kinds that the previous version does not know. A stream of the feed must not send them as events `revocation`,
 * because a verifier of that version would then be out of date.
 */
export const ADDED_KINDS: readonly Revocation['kind'][] = ['membership', 'role', 'key'];

/**
 * The form of an event that the previous version also reads. The previous version ignores `org`, and so takes the event
 * of a membership as an event of the user, which refuses more. Null for an event that has no such form.
 */
export function olderFormOf(revocation: Revocation): object | null {
  if (revocation.kind === 'membership') {
    const { sub, epoch, org } = revocation;
    return { kind: 'user', sub, epoch, org };
  }
  return ADDED_KINDS.includes(revocation.kind) ? null : revocation;
}

/**
 * Reads an event from a JSON value that was received, in its current form or in that of `olderFormOf`. Null for an
 * unknown kind or shape.
 */
export function revocationOf(value: unknown): Revocation | null {
  if (typeof value !== 'object' || value === null) return null;
  const { kind, sid, sub, client_id, epoch, org, role, state, at, not_before, kid } = value as Record<string, unknown>;
  if (kind === 'session') return isWrittenId(sid) ? { kind, sid } : null;
  if (kind === 'membership' || (kind === 'user' && org !== undefined)) {
    return isWrittenId(sub) && isWrittenId(org) && isCount(epoch) ? { kind: 'membership', sub, org, epoch } : null;
  }
  if (kind === 'role')
    return isWrittenId(org) && isRoleName(role) && isCount(epoch) ? { kind, org, role, epoch } : null;
  if (kind === 'user') return isWrittenId(sub) && isCount(epoch) ? { kind, sub, epoch } : null;
  if (kind === 'client') return isWrittenId(client_id) && isCount(epoch) ? { kind, client_id, epoch } : null;
  if (kind === 'key') return isKid(kid) ? { kind, kid } : null;
  if (kind === 'everything') return isCount(not_before) ? { kind, not_before } : null;
  if (kind !== 'organization' || !isWrittenId(org) || typeof at !== 'number' || !Number.isFinite(at)) return null;
  return state === 'active' || state === 'suspended' ? { kind, org, state, at } : null;
}
