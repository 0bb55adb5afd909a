// Starts one of the example applications by the command of its README, opens it in a real browser, and reads the mails
// on its page of mails.
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type { Test } from 'tap';
import { type Chromium, startChromium } from '../../support/pages/chromium.ts';
import { decode } from '../../support/pages/markup.ts';
import { fillPostgresFolder } from '../../support/servers/postgres.ts';
import { freePort, type ServerProcess, startProcess } from '../../support/servers/process.ts';
import { PROGRAM_ENVIRONMENT } from '../../support/service.ts';
import { until } from '../../support/until.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const README = readFileSync(join(ROOT, 'examples/spa/README.md'), 'utf8');

export type Variant = 'hosted' | 'own-forms';

export interface Example {
  readonly browser: Chromium;
  /** The address of the application. */
  readonly url: string;
  readonly tenantry: string;
  /** Waits for a mail to the address that has a link to this path, and that no earlier call has returned. */
  mail(to: string, path: string): Promise<{ readonly link: string; readonly code: string | null }>;
}

type Settings = Readonly<Record<string, string>>;

/**
 * Starts the application, and waits until it is ready. `settings` are environment variables of Tenantry: where its data
 * is, and the mode of registration.
 */
export async function startExample(t: Test, variant: Variant, settings: Settings = {}): Promise<Example> {
  const { process, tenantry } = await runCommand(t, variant, settings);
  await process.printed(/^The application is ready at /);
  return {
    browser: await startChromium(t, {}),
    url: addressIn(process, /^The application is ready at (http:\S+)/m),
    tenantry,
    mail: readMails(addressIn(process, /^Mails that Tenantry would send are at (http:\S+)/m)),
  };
}

interface Running {
  readonly process: ServerProcess;
  /** The address of Tenantry. */
  readonly tenantry: string;
}

/**
 * Runs the command on free ports, with its data in a folder of its own. The limits of one network are off, because all
 * people of a test come from it. Does not wait until anything is ready.
 */
export async function runCommand(t: Test, variant: Variant, settings: Settings = {}): Promise<Running> {
  const command = `node examples/spa/start.mjs --${variant}`;
  if (!README.includes(command)) throw new Error(`the README does not have the command ${command}`);
  const [, ...args] = command.split(' ');
  const [port, service, mails] = [await freePort(), await freePort(), await freePort()];
  const folder = mkdtempSync(join(tmpdir(), 'tenantry-spa-'));
  chmodSync(folder, 0o755); // PostgreSQL runs as a user other than root, and would otherwise keep its data elsewhere
  fillPostgresFolder(join(folder, 'postgres'));
  const environment = { ...PROGRAM_ENVIRONMENT, DATA_DIR: folder, RATE_LIMIT_ENABLED: 'false', ...settings };
  const process = startProcess(
    '/usr/bin/env',
    [
      ...['-i', '-C', ROOT, ...Object.entries(environment).map(([name, value]) => `${name}=${value}`)],
      ...[globalThis.process.execPath, ...args],
      ...['--port', String(port), '--tenantry-port', String(service), '--mails-port', String(mails)],
    ],
    'SIGTERM',
  );
  t.teardown(async () => {
    await process.end('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  });
  return { process, tenantry: `http://localhost:${service}` };
}

function addressIn(process: ServerProcess, line: RegExp): string {
  const address = line.exec(process.output())?.[1];
  if (!address) throw new Error(`${line} is not in: ${process.output()}`);
  return address;
}

const ARTICLE = /<h2>.*?<\/h2><p>to (.*?)<\/p><pre>(.*?)<\/pre>/gs;

function readMails(page: string): Example['mail'] {
  const taken = new Set<string>();
  return async (to, path) => {
    let found: { link: string; code: string | null } | undefined;
    await until(async () => {
      const text = await (await fetch(page)).text();
      for (const [, receiver = '', content = ''] of text.matchAll(ARTICLE)) {
        const mail = plain(content);
        const link = mail.match(/http\S+#token=[\w-]+/)?.[0];
        if (plain(receiver) !== to || !link || !new URL(link).pathname.endsWith(path) || taken.has(link)) continue;
        taken.add(link);
        found = { link, code: /^\s*(\d{4} ?\d{4})\s*$/m.exec(mail)?.[1] ?? null };
        return true;
      }
      return false;
    });
    if (!found) throw new Error(`there is no mail to ${to}`);
    return found;
  };
}

function plain(markup: string): string {
  const texts = markup.replace(/<[^>]*>/g, '');
  return decode(texts).replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}

/** Clicks a button or a link of this name. */
export async function press(page: Page, role: 'button' | 'link', name: string): Promise<void> {
  await page.getByRole(role, { name, exact: true }).click();
}

/** Waits for the page with this heading. */
export async function arrive(page: Page, heading: string): Promise<void> {
  await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor();
}

/** What the scripts of the page can read from the cookies and the storage of the browser. */
export function secretsIn(page: Page): Promise<string> {
  return page.evaluate('document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })');
}
