// Calls the API and the pages from one device, whose address and user agent are canaries, and judges every answer: a
// refusal must not repeat what was sent, and no answer may contain a password.
import type { Test } from 'tap';
import { type CallOptions, openApi, type Reply } from '../../support/client.ts';
import { type Answer, openVisitor } from '../../support/pages/visitor.ts';
import type { Canaries } from './canaries.ts';

export interface Recorder {
  /** Calls the API. The answer must have this status. */
  call(status: number, method: string, path: string, body?: unknown, options?: CallOptions): Promise<Reply>;
  /** Opens a browser. `own` are values of the person that the pages may show to the same person. */
  browse(own: readonly string[]): Browser;
  /** The number of all answers, and the number of refusals among them. */
  readonly counted: { answers: number; refused: number };
}

export interface Browser {
  open(path: string): Promise<Answer>;
  /** Sends the form with this action and step, and returns the answer to it. The answer must have this status. */
  send(status: number, page: Answer, action: string, typed?: Record<string, string>): Promise<Answer>;
}

const isPassword = (found: string) => found.startsWith('password ');

export function openRecorder(t: Test, url: string, canaries: Canaries): Recorder {
  const api = openApi(url);
  const device = { 'user-agent': canaries.agent, 'x-forwarded-for': canaries.ip };
  const counted = { answers: 0, refused: 0 };

  function judge(
    what: string,
    { status, headers, text }: Pick<Reply, 'status' | 'headers' | 'text'>,
    echoed: string[],
  ) {
    counted.answers += 1;
    t.same(canaries.foundIn(text).filter(isPassword), [], `${what}: no password in the answer`);
    t.same(canaries.foundIn(headers.get('location') ?? ''), [], `${what}: nothing in a redirect`);
    if (status < 400) return;
    counted.refused += 1;
    const shown = [...headers].filter(([name]) => name !== 'set-cookie').map((pair) => pair.join(': '));
    t.same(canaries.foundIn([text, ...shown].join('\n'), echoed), [], `${what}: nothing in a refusal`);
  }

  async function call(status: number, method: string, path: string, body?: unknown, options: CallOptions = {}) {
    const reply = await api.call(method, path, body, { ...options, headers: { ...device, ...options.headers } });
    const what = `${method} ${path} ${reply.status}`;
    t.equal(reply.status, status, `${what} ${status === reply.status ? '' : reply.text}`);
    const { accessToken, refreshToken, resetToken } = reply.body.data ?? {};
    canaries.note('token', accessToken, refreshToken, resetToken ?? undefined);
    noteCookies(reply.setCookie);
    judge(what, reply, []);
    return reply;
  }

  function noteCookies(lines: readonly string[]) {
    for (const line of lines) canaries.note('cookie', /^[\w-]+=([^;]{20,})/.exec(line)?.[1]);
  }

  function browse(own: readonly string[]): Browser {
    const visitor = openVisitor(url, { agent: canaries.agent });
    const forwarded = { 'x-forwarded-for': canaries.ip };
    async function request(method: string, path: string, form?: Record<string, string>): Promise<Answer> {
      const answer = await visitor.request(method, path, form, forwarded);
      noteCookies(answer.headers.getSetCookie());
      // A form that is refused is shown again with what was typed, except passwords.
      const typed = Object.values(form ?? {}).filter((value) => !canaries.foundIn(value).some(isPassword));
      judge(`page ${method} ${path} ${answer.status}`, answer, [...own, ...typed]);
      return answer;
    }
    async function open(path: string): Promise<Answer> {
      let answer = await request('GET', path);
      for (let hops = 0; answer.location?.startsWith('/') && hops < 5; hops += 1) {
        answer = await request('GET', answer.location);
      }
      return answer;
    }
    return {
      open,
      async send(status, page, action, typed = {}) {
        const forms = page.markup.forms.filter((one) => one.action === action);
        const form = forms.find(({ fields }) => fields.step === typed.step) ?? forms[0];
        if (!form) throw new Error(`the page has no form for ${action}: ${page.seen.slice(0, 300)}`);
        const answer = await request('POST', action, { ...form.fields, ...typed });
        t.equal(answer.status, status, `${action} ${status === answer.status ? '' : answer.seen.slice(0, 300)}`);
        return answer;
      },
    };
  }
  return { call, browse, counted };
}
