// Where people go after they have proven again who they are: back to the page of their account that asked for it.

export const REAUTHENTICATE = '/reauthenticate';
const OWN_PAGE = /^\/account(?:\/[a-z0-9-]+)*$/;
const LENGTH_MAX = 200;

/** The address of the page that asks for the password and then leads back to `path`, a page of the account. */
export function reauthenticatePath(path: string): string {
  return `${REAUTHENTICATE}?${new URLSearchParams({ return_to: path })}`;
}

/** The path, if it is one of the pages of the account; null for every other text. */
export function ownPage(path: string | undefined): string | null {
  return path !== undefined && path.length <= LENGTH_MAX && OWN_PAGE.test(path) ? path : null;
}
