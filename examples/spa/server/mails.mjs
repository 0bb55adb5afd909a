// A page that shows the mails which Tenantry would send, for people who try the example without a mail server. A person
// who reads the mails of another can take over the account. So the page listens on this machine only, and answers only
// under a name of this machine: otherwise any site could let its own name lead here, and read the mails in the browser
// of a visitor (DNS rebinding).
import { createServer } from 'node:http';

const POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const STYLE = `:root{color-scheme:light dark}body{max-width:44rem;margin:2rem auto;padding:0 1rem;
font:1rem/1.5 system-ui,sans-serif}pre{white-space:pre-wrap;overflow-wrap:anywhere;font:inherit}
article{border:1px solid #8888;border-radius:.5rem;padding:0 1rem;margin:1rem 0}h2{font-size:1.1rem}`;
const MAILS_MAX = 100;
/** The header Host of a request to this machine. */
const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;

/** Starts the page. `add` adds a mail with `to`, `subject` and `text`. */
export async function openMailPage(port) {
  const mails = [];
  const server = createServer((request, response) => {
    if (!LOOPBACK.test(request.headers.host ?? '')) {
      response.writeHead(421, { 'content-type': 'text/plain' }); // Misdirected Request (RFC 9110 §15.5.20)
      return response.end('Open this page as localhost.');
    }
    const isStyle = request.url === '/style.css';
    response.setHeader('content-type', isStyle ? 'text/css; charset=utf-8' : 'text/html; charset=utf-8');
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('referrer-policy', 'no-referrer');
    response.setHeader('cache-control', 'no-store');
    response.setHeader('x-content-type-options', 'nosniff');
    return response.end(isStyle ? STYLE : pageOf(mails));
  });
  await new Promise((resolve, reject) => {
    server.once('error', (error) => reject(new Error(`The page with the mails: ${error.message}`)));
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    address: `http://localhost:${port}`,
    add(mail) {
      mails.unshift(mail);
      mails.length = Math.min(mails.length, MAILS_MAX);
    },
    async close() {
      server.close();
      server.closeAllConnections?.();
    },
  };
}

function pageOf(mails) {
  const articles = mails.map(
    ({ to, subject, text }) =>
      `<article><h2>${escaped(subject)}</h2><p>to ${escaped(to)}</p><pre>${linked(text)}</pre></article>`,
  );
  const none = '<p>There are no mails yet. Load this page again after you have registered.</p>';
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Mails</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/style.css"></head>
<body><main><h1>Mails</h1>${articles.join('') || none}</main></body></html>`;
}

function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The text with its URLs as links. */
function linked(text) {
  return text
    .split(/(https?:\/\/\S+)/)
    .map((part, index) => (index % 2 === 1 ? `<a href="${escaped(part)}">${escaped(part)}</a>` : escaped(part)))
    .join('');
}
