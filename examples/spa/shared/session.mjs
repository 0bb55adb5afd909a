// The session of the person in this browser. The access token is only in the memory of this script. The refresh token
// is in a cookie that no script can read (HttpOnly), and the browser sends it to Tenantry alone.

const SERVICE = document.querySelector('meta[name=tenantry]').content;
/**
 * The access token is too old or was replaced, or its session has ended. A refresh brings another token, if the cookie
 * still has a session.
 */
const OLD_TOKEN = new Set(['token_expired', 'token_stale', 'invalid_token', 'session_revoked']);
/** The session of the cookie has ended, and the person has to sign in again. */
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
/**
 * Counts how many times a person signed in or out. What was requested before such a change must not be used after it.
 */
let changes = 0;
let refreshing = null;
let askPassword = async () => false;
const listeners = new Set();
// All tabs of this browser share the cookie. Each tells the others the id of the person who has signed in or out.
const tabs = new BroadcastChannel('session');
tabs.onmessage = ({ data: { signedIn, signedOut } }) => {
  if (current === null) return;
  if (signedOut === current.user.id) change(null);
  else if (signedIn !== undefined && signedIn !== current.user.id) beginAgain();
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
  const isOther = signed?.user.id !== current?.user.id;
  current = signed;
  if (isOther) changes += 1;
  if (isOther && signed) tabs.postMessage({ signedIn: signed.user.id });
  for (const listener of listeners) listener(signed);
}

/** Loads the page again for another person, whose the cookie is now. Nothing of the former person stays in memory. */
function beginAgain() {
  current = null;
  changes += 1;
  location.reload();
}

/** Raises a problem if, since that count of changes, the person has signed out or another person has signed in. */
function assertSamePerson(counted) {
  if (counted !== changes) throw new Problem(0, { code: 'person_changed' }, null);
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
 * Raises the problem `person_changed` if the person has signed out meanwhile, or another person has signed in: nothing
 * is repeated in the name of another person, and an answer for somebody who has left is not used.
 */
export async function call(method, path, body, options) {
  const counted = changes;
  const attempt = async () => {
    assertSamePerson(counted);
    const answer = await send(method, path, body, options);
    assertSamePerson(counted);
    return answer;
  };
  try {
    return await attempt();
  } catch (problem) {
    if (current && OLD_TOKEN.has(problem.code)) await refresh();
    else if (problem.code !== 'reauthentication_required' || !(await askPassword())) throw problem;
    return await attempt();
  }
}

/**
 * Gets another access token by the cookie. Calls at the same time share one request. Raises the problem if there is no
 * session, and keeps the session if the service cannot be reached. If the cookie is that of another person by now, the
 * page is loaded again.
 */
export function refresh() {
  refreshing ??= renew().finally(() => {
    refreshing = null;
  });
  return refreshing;
}

async function renew() {
  const counted = changes;
  try {
    const { data } = await send('POST', '/auth/refresh', undefined, { withCookie: true });
    if (current && data.user.id !== current.user.id) beginAgain();
    assertSamePerson(counted); // a person who has signed out since must not be signed in again
    change(data);
  } catch (problem) {
    if (current && counted === changes && ENDED.has(problem.code)) signedOut();
    throw problem;
  }
}

/**
 * Signs in by a request whose answer opens a session and sets the cookie: register, login, an accepted invitation.
 * Returns the data of the answer. With REGISTRATION_MODE=verified, registering opens no session, and nobody is signed
 * in by it: the data then has a `registrationId`.
 */
export async function signInBy(path, body) {
  const { data } = await call('POST', path, { ...body, transport: 'cookie' }, { withCookie: true });
  if (data.accessToken !== undefined) change(data);
  return data;
}

/** Takes the access token of an answer that replaces the current one. */
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
  if (current) tabs.postMessage({ signedOut: current.user.id });
  change(null);
}
