// Serves one of the two applications: its files, and the same page for every path that a page can have, because the
// script of the page reads the path. It passes nothing on to Tenantry: the browser calls Tenantry itself.

import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('..', import.meta.url));
/** What the path of a page looks like. Nothing else in a path is decoded or read. */
const PAGE = /^\/$|^(\/[\w-]+)+$/;
const TYPES = { '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8' };

/** Starts the application on this machine. `tenantry` is the address of Tenantry, the only one that the page calls. */
export async function serveApplication({ variant, port, tenantry }) {
  const files = filesOf(['shared', variant]);
  const page = readFileSync(join(FOLDER, 'shared/index.html'), 'utf8')
    .replace('{{tenantry}}', tenantry)
    .replace('{{script}}', `/${variant}/app.mjs`);
  const headers = headersFor(new URL(tenantry).origin);
  const server = createServer((request, response) => {
    const [path] = request.url.split('?');
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'text/plain', '');
    const file = files.get(path);
    if (file) return answer(response, 200, file.type, file.content);
    if (PAGE.test(path)) return answer(response, 200, 'text/html; charset=utf-8', page);
    return answer(response, 404, 'text/plain', 'There is no such page.');
  });
  await new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`The application: ${error.message}`)));
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    async close() {
      server.close();
      server.closeAllConnections?.();
    },
  };
}

/**
 * The page runs its own scripts only, calls Tenantry only, and can neither be framed nor send a form elsewhere. With
 * Trusted Types, the browser refuses to turn a text into HTML or a script.
 */
function headersFor(tenantry) {
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `connect-src ${tenantry}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'referrer-policy': 'no-referrer', // no other site learns the address of a page
    'x-content-type-options': 'nosniff',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-store',
  };
}

/** The files of the folders by their path. They are read once, so no path of a request reaches another file. */
function filesOf(folders) {
  const files = new Map();
  const read = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      const type = TYPES[extname(entry.name)];
      if (entry.isDirectory()) read(path);
      else if (type) files.set(`/${relative(FOLDER, path)}`, { type, content: readFileSync(path) });
    }
  };
  for (const folder of folders) read(join(FOLDER, folder));
  return files;
}

function answer(response, status, type, content) {
  response.statusCode = status;
  response.setHeader('content-type', type);
  response.end(content);
}
