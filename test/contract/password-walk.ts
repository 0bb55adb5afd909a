// The parts of the walk through all operations about the own sessions and the own password.
import type { CallOptions, Reply } from '../support/client.ts';

type Call = (id: string, body?: unknown, options?: CallOptions & { readonly path?: string }) => Promise<Reply>;

export const NEW_PASSWORD = 'four other unrelated words';

/** Changes the password to NEW_PASSWORD. Returns the access token that is valid from now on. */
export async function walkPassword(call: Call, password: string, token: string): Promise<string> {
  await call('reauthenticate', { password }, { token });
  await call('reauthenticate', { password: 'wrong' }, { token });
  await call('reauthenticate', {}, { token });
  const changing = { currentPassword: password, newPassword: NEW_PASSWORD };
  await call('changeMyPassword', { ...changing, currentPassword: 'wrong' }, { token });
  await call('changeMyPassword', { ...changing, newPassword: password }, { token });
  await call('changeMyPassword', { ...changing, newPassword: 'short' }, { token });
  return (await call('changeMyPassword', changing, { token })).body.data.accessToken;
}

/** Lists the own sessions, and ends all but the current one. */
export async function walkOwnSessions(call: Call, token: string): Promise<void> {
  const sessions = await call('listMySessions', undefined, { token });
  const other = sessions.body.data.find((session: { current: boolean }) => !session.current);
  await call('endMySession', undefined, { token, path: `/me/sessions/${other.id}` });
  await call('endMySession', undefined, { token, path: `/me/sessions/${other.id}` });
  await call('endMySession', undefined, { token, path: '/me/sessions/1' });
  await call('endMyOtherSessions', undefined, { token });
}
