// A browser without scripts, for tests over HTTP: it keeps cookies, follows redirects, reads pages and sends their
// forms.
import type { Markup } from './markup.ts';
import { readMarkup } from './markup.ts';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The value of the header Location, or null if the answer has none. */
  readonly location: string | null;
  readonly markup: Markup;
  /** The visible texts in one line. */
  readonly seen: string;
}

export interface Visitor {
  readonly cookies: Map<string, string>;
  /** Reads a path, and follows redirects to other paths. */
  open(path: string, headers?: Record<string, string>): Promise<Answer>;
  /** Sends one request without following redirects. */
  request(
    method: string,
    path: string,
    form?: Record<string, string>,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Sends the form of a page that has this action, with the values that a person types, and follows redirects. */
  send(page: Answer, action: string, typed?: Record<string, string>): Promise<Answer>;
}

/** The origin of the PUBLIC_URL of the service under test: see support/service.ts. */
export const ORIGIN = 'http://localhost:3000';
const ACCEPT = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

/** Opens a browser. `url` is the address of the service, and `language` the header Accept-Language. */
export function openVisitor(url: string, { language = 'en', agent = 'Mozilla/5.0' } = {}): Visitor {
  const cookies = new Map<string, string>();

  async function request(
    method: string,
    path: string,
    form?: Record<string, string>,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        accept: ACCEPT,
        'accept-language': language,
        'user-agent': agent,
        ...(cookies.size > 0 ? { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') } : {}),
        ...(form ? { 'content-type': 'application/x-www-form-urlencoded', 'sec-fetch-site': 'same-origin' } : {}),
        ...(form ? { origin: ORIGIN } : {}),
        ...headers,
      },
      body: form ? new URLSearchParams(form).toString() : null,
    });
    for (const line of response.headers.getSetCookie()) keep(cookies, line);
    const text = await response.text();
    const isPage = /^text\/html/.test(response.headers.get('content-type') ?? '');
    const markup = readMarkup(isPage ? text : '');
    return {
      status: response.status,
      headers: response.headers,
      text,
      location: response.headers.get('location'),
      markup,
      seen: markup.texts.join(' '),
    };
  }

  async function follow(answer: Answer): Promise<Answer> {
    let last = answer;
    for (let hops = 0; last.location?.startsWith('/') && hops < 5; hops += 1)
      last = await request('GET', last.location);
    return last;
  }

  return {
    cookies,
    request,
    open: async (path, headers) => follow(await request('GET', path, undefined, headers)),
    async send(page, action, typed = {}) {
      const form = page.markup.forms.find((one) => one.action === action);
      if (!form) throw new Error(`the page has no form for ${action}: ${page.seen.slice(0, 300)}`);
      return follow(await request('POST', action, { ...form.fields, ...typed }));
    },
  };
}

function keep(cookies: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split(';');
  const [name = '', value = ''] = pair.split('=');
  if (attributes.some((attribute) => attribute.trim() === 'Max-Age=0') || value === '') cookies.delete(name);
  else cookies.set(name, value);
}
