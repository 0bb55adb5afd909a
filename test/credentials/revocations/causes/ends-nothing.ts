// Lists every event of the catalogue after which all tokens go on working, with the reason.
import type { EventType } from '../../../../src/base/events/catalogue.ts';

/** The event types that end no token, with the reason for each. */
export const ENDS_NOTHING: Readonly<Partial<Record<EventType, string>>> = {
  'client.created': 'it has no token yet',
  'client.enabled': 'its tokens ended when it was disabled',
  'installation.database_accepted': 'what was in doubt is valid again',
  'installation.database_doubted': 'tokens wait for the decision of an operator',
  'invitation.accepted': 'comes with member.joined',
  'invitation.created': 'nobody has joined',
  'invitation.renewed': 'nobody has joined',
  'invitation.revoked': 'nobody has joined',
  'mail.dropped': 'a mail that was not sent signs nobody in',
  'mail.retried': 'adds one',
  'member.joined': 'the user has no token for the organization yet',
  'organization.changed': 'name, slug and settings are in no token that decides by them',
  'organization.created': 'its creator gets a token for it',
  'platform_administrator.granted': 'is in no token',
  'platform_administrator.revoked': 'is in no token',
  'role.created': 'nobody holds it',
  'role.deleted': 'nobody holds it: 409 role_in_use otherwise',
  'session.child_reissued': 'the session continues with another refresh token',
  'session.opened': 'adds one',
  'session.reauthenticated': 'the same person, proven again',
  'session.organization_switched': 'the rights of the older token have not changed',
  'sessions.all_ended': 'follows a session.ended of each session',
  'subscription.changed': 'limits are in no token',
  'user.created': 'new',
  'user.exported': 'reads only',
  'user.registered': 'new',
  'user.renamed': 'names are in no token',
  'user.locale_changed': 'languages are in no token',
};
