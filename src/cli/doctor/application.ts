// Checks that the application has the page to which the links in invitation mails lead.
import type { Config } from '../../base/config/config.ts';
import type { Finding } from '../../base/database/examine.ts';
import { acceptPageOf } from '../../base/mail-kit/links.ts';

const PATIENCE_MS = 5000;

/**
 * Returns no finding without PUBLIC_APP_URL: the links then lead to the pages of the service. A page that does not
 * answer is only a warning, because the application may be deployed later, or not be reachable from here.
 */
export async function examineApplication(config: Config): Promise<Finding[]> {
  if (config.PUBLIC_APP_URL === undefined) return [];
  const url = acceptPageOf(config);
  const answer = await ask(url);
  if (answer === '200') return [{ name: 'application', status: 'ok', detail: `${url} answers` }];
  const detail = `${url} ${answer}, and the links in invitations lead there: serve a page at this address, or leave out PUBLIC_APP_URL, so that the links lead to ${config.PUBLIC_URL}/accept-invitation`;
  return [{ name: 'application', status: 'warn', detail }];
}

async function ask(url: string): Promise<string> {
  try {
    const reply = await fetch(url, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(PATIENCE_MS) });
    await reply.body?.cancel();
    return reply.status === 200 ? '200' : `answers ${reply.status}`;
  } catch (error) {
    const { name, cause } = error as Error & { readonly cause?: { readonly code?: string } };
    if (name === 'TimeoutError') return `does not answer within ${PATIENCE_MS / 1000} seconds`;
    return `cannot be reached (${cause?.code ?? name})`;
  }
}
