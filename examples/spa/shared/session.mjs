// The session of the person in this browser. The access token is only in the memory of this script. The refresh token
// is in a cookie that no script can read (HttpOnly), and the browser sends it to Tenantry alone.

const SERVICE = document.querySelector('meta[name=tenantry]').content;
/** The access token is too old or was replaced. A refresh brings another one. */
const OLD_TOKEN = new Set(['token_expired', 'token_stale', 'invalid_token']);
/** The session has ended, and the person has to sign in again. */
const ENDED = new Set([
  'session_revoked',
  'session_expired',
  'invalid_refresh_token',
  'refresh_token_reused',
  'account_disabled',
]);

/** What Tenantry answered instead of what was asked for, or `unreachable` if it did not answer. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail ?? body.title ?? 'The request failed.');
    this.status = status;
    this.code = body.code ?? 'failure';
    this.issues = body.issues ?? [];
    this.body = body;
    this.retryAfter = retryAfter;
  }
}

let current = null;
let refreshing = null;
let askPassword = async () => false;
const listeners = new Set();
// Other tabs of this browser have the same session.
const tabs = new BroadcastChannel('session');
tabs.onmessage = ({ data }) => {
  if (data === 'signed out') change(null);
};

/** The answer of the last sign-in or refresh: accessToken, user, organization, roles, memberships. Null: signed out. */
export function session() {
  return current;
}

/** Calls the function whenever a person has signed in or out, or acts for another organization. */
export function onChange(listener) {
  listeners.add(listener);
}

/** Sets the function that asks for the password again. It resolves with false if the person does not want to. */
export function askPasswordBy(ask) {
  askPassword = ask;
}

function change(signed) {
  current = signed;
  for (const listener of listeners) listener(signed);
}

/** Sends one request. The cookie goes along only where it is needed. */
async function send(method, path, body, { withCookie = false } = {}) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  if (current) headers.authorization = `Bearer ${current.accessToken}`;
  let reply;
  try {
    reply = await fetch(`${SERVICE}/api/v1${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      credentials: withCookie ? 'include' : 'omit',
    });
  } catch {
    throw new Problem(0, { code: 'unreachable' }, null);
  }
  const text = await reply.text();
  const json = text === '' ? {} : readJson(text);
  if (!reply.ok) throw new Problem(reply.status, json, Number(reply.headers.get('retry-after')) || null);
  return json;
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {}; // such as the page of a proxy
  }
}

/**
 * Calls the API and returns its whole answer. An old access token is replaced first, and where the service wants a
 * fresh proof, the person is asked for the password. Both refusals have changed nothing, so the request is repeated.
 */
export async function call(method, path, body, options) {
  try {
    return await send(method, path, body, options);
  } catch (problem) {
    if (current && OLD_TOKEN.has(problem.code)) {
      await refresh();
      return await send(method, path, body, options);
    }
    if (problem.code === 'reauthentication_required' && (await askPassword())) {
      return await send(method, path, body, options);
    }
    if (current && problem.code === 'session_revoked') signedOut();
    throw problem;
  }
}

/**
 * Gets another access token by the cookie. Calls at the same time share one request. Raises the problem if there is no
 * session, and keeps the session if the service cannot be reached.
 */
export function refresh() {
  refreshing ??= renew().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function renew() {
  try {
    change((await send('POST', '/auth/refresh', undefined, { withCookie: true })).data);
  } catch (problem) {
    if (current && ENDED.has(problem.code)) signedOut();
    throw problem;
  }
}

/** Signs in by a request whose answer opens a session and sets the cookie: register, login, an accepted invitation. */
export async function signInBy(path, body) {
  const { data } = await send('POST', path, { ...body, transport: 'cookie' }, { withCookie: true });
  change(data);
}

/** Takes the access token of an answer that replaces the present one. */
export function take({ data }) {
  change({ ...current, ...data });
}

/** Lets the session act for another organization. */
export async function switchTo(organization) {
  take(await call('POST', '/auth/switch-organization', { organization }, { withCookie: true }));
}

/** Ends the session, here and in every tab. */
export async function signOut() {
  await send('POST', '/auth/logout', undefined, { withCookie: true });
  signedOut();
}

/** Forgets the session, which has ended at Tenantry. */
export function signedOut() {
  change(null);
  tabs.postMessage('signed out');
}
