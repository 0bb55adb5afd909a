// Starts one of the two example applications, and Tenantry with it: `node examples/spa/start.mjs --hosted`, or
// `--own-forms`. It needs no packages of its own, and runs on Node 18 and later.
import { parseArgs } from 'node:util';
import { openMailPage } from './server/mails.mjs';
import { serveApplication } from './server/serve.mjs';
import { startTenantry } from './server/tenantry.mjs';

const USAGE = `Usage: node examples/spa/start.mjs --hosted | --own-forms
  --port <number>            the port of the application (5173)
  --tenantry-port <number>   the port of Tenantry (3000)
  --mails-port <number>      the port of the page with the mails (8025)
  --tenantry <url>           use a Tenantry that runs already, and start none`;

const { values } = readOptions();
const variant = values.hosted ? 'hosted' : 'own-forms';
const port = Number(values.port ?? 5173);
const address = `http://localhost:${port}`;

/** The functions that end what was started, in the order of their calls. */
const endings = [];
let isEnding = false;

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(0));

try {
  const tenantry = values.tenantry ?? (await startOwn());
  const application = await serveApplication({ variant, port, tenantry });
  endings.push(application.close);
  if (!isEnding) announce();
} catch (error) {
  if (!isEnding) console.error(error.message);
  await end(1);
}

function announce() {
  console.log(`The application is ready at ${address}${variant === 'hosted' ? '' : ' (with forms of its own)'}`);
  if (values.tenantry) console.log(`That Tenantry must have ${settingsText()}`);
  console.log('Ctrl-C stops everything.');
}

/** Starts Tenantry and the page with its mails. Returns the address of Tenantry. */
async function startOwn() {
  const mails = await openMailPage(Number(values['mails-port'] ?? 8025));
  endings.push(mails.close);
  const tenantry = startTenantry({
    port: Number(values['tenantry-port'] ?? 3000),
    settings: settings(),
    onMail: mails.add,
    onEnd: (code) => end(code),
  });
  endings.unshift(tenantry.end);
  await tenantry.listening;
  if (process.env.SMTP_URL === undefined) console.log(`Mails that Tenantry would send are at ${mails.address}`);
  return tenantry.address;
}

/**
 * Lets the application call the API with the cookie, and lets people come back to it. With forms of its own, the links
 * of mails lead to the application, too.
 */
function settings() {
  return { CORS_ORIGINS: address, ...(variant === 'own-forms' ? { PUBLIC_APP_URL: address } : {}) };
}

function settingsText() {
  return Object.entries(settings())
    .map(([name, value]) => `${name}=${value}`)
    .join(' and ');
}

function readOptions() {
  const text = { type: 'string' };
  const options = { hosted: { type: 'boolean' }, 'own-forms': { type: 'boolean' }, tenantry: text };
  for (const name of ['port', 'tenantry-port', 'mails-port']) options[name] = text;
  try {
    const read = parseArgs({ options });
    if (Boolean(read.values.hosted) !== Boolean(read.values['own-forms'])) return read;
  } catch (error) {
    console.error(error.message);
  }
  console.error(USAGE);
  process.exit(2);
}

async function end(code) {
  if (isEnding) return;
  isEnding = true;
  for (const ending of endings) await ending();
  process.exit(code);
}
