// The HTTP routes of the signed-in user's own profile.
import { type Endpoint, endpoint, signedIn } from '../../base/http/endpoint.ts';
import { enveloped } from '../../base/http/wire.ts';
import { changeProfile, getProfile, type ProfileDeps } from './profile.ts';
import { ChangeProfile, Profile } from './schema.ts';

export function profileRoutes(deps: ProfileDeps): Endpoint[] {
  return [
    endpoint({
      method: 'GET',
      url: '/api/v1/me',
      access: signedIn(),
      id: 'getMe',
      summary: 'Read who you are and what you may do in the current organization',
      tag: 'Me',
      reply: { 200: enveloped(Profile) },
      versioned: true,
      handle: async ({ caller }) => ({ data: await getProfile(deps, caller) }),
    }),
    endpoint({
      method: 'PATCH',
      url: '/api/v1/me',
      access: signedIn(),
      id: 'changeMe',
      summary: 'Change your name, or the language of the mails that you get',
      tag: 'Me',
      body: ChangeProfile,
      reply: { 200: enveloped(Profile) },
      versioned: true,
      handle: async ({ caller, body, assertVersion }) => ({
        data: await changeProfile(deps, caller, body, assertVersion),
      }),
    }),
  ];
}
