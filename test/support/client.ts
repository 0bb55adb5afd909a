// A client of the API. It does not retry a request, and raises no error for any status.

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The parsed body if it is JSON, otherwise {}. The type is `any`, so that tests can read any member. */
  readonly body: any;
  /** The code of the problem, or null if the body has no code. */
  readonly code: string | null;
  readonly setCookie: string[];
}

export interface CallOptions {
  readonly token?: string;
  readonly headers?: Record<string, string>;
  /** A body that is sent unchanged. `headers` may name its content type. */
  readonly raw?: string | Uint8Array<ArrayBuffer>;
}

export interface Api {
  readonly url: string;
  call(method: string, path: string, body?: unknown, options?: CallOptions): Promise<Reply>;
  get(path: string, options?: CallOptions): Promise<Reply>;
  post(path: string, body?: unknown, options?: CallOptions): Promise<Reply>;
  patch(path: string, body?: unknown, options?: CallOptions): Promise<Reply>;
  delete(path: string, options?: CallOptions): Promise<Reply>;
}

const OUTSIDE =
  /^\/($|\.well-known|healthz|readyz|docs|verify|oauth\/|api\/|assets\/|(sign-in|sign-out|register|reauthenticate|forgot-password|reset-password|confirm-email|revert-email|account|account-closed|accept-invitation)($|[/?]))/;

/** Paths are below /api/v1, except the paths that the service serves elsewhere, such as /healthz and /oauth/token. */
export function openApi(url: string): Api {
  async function call(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Reply> {
    const outside = OUTSIDE.test(path);
    const response = await fetch(`${url}${outside ? '' : '/api/v1'}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...options.headers,
      },
      body: options.raw ?? (body === undefined ? null : JSON.stringify(body)),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '') && text !== '';
    const parsed = json ? JSON.parse(text) : {};
    const { headers, status } = response;
    return { status, headers, text, body: parsed, code: parsed.code ?? null, setCookie: headers.getSetCookie() };
  }
  return {
    url,
    call,
    get: (path, options) => call('GET', path, undefined, options),
    post: (path, body, options) => call('POST', path, body, options),
    patch: (path, body, options) => call('PATCH', path, body, options),
    delete: (path, options) => call('DELETE', path, undefined, options),
  };
}

/** Starts `count` calls at the same moment. Every call is prepared before the first call starts. */
export async function atOnce<T>(count: number, call: (index: number) => Promise<T>): Promise<T[]> {
  const { promise: barrier, resolve: open } = Promise.withResolvers<void>();
  const calls = Array.from({ length: count }, async (_, index) => {
    await barrier;
    return call(index);
  });
  open();
  return Promise.all(calls);
}
