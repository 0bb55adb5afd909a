// Writes docs/urls.md, which lists every URL with the file that declares it.
// Other files have the list of endpoints with their files (src/app/endpoints.ts) and the text of an access
// (endpoints.ts).
import type { DeclaredEndpoint } from '../../src/app/endpoints.ts';
import { accessText } from './endpoints.ts';

export function urlsPage(declared: readonly DeclaredEndpoint[]): string {
  const rows = declared.map(({ endpoint: { method, url, access, wire }, folder }) => {
    const file = `src/${folder}/${wire === 'page' ? 'pages' : 'routes'}.ts`;
    const text = `| ${method} | \`${url}\` | ${accessText(access)} | [\`${file}\`](../${file}) |`;
    return { key: `${url} ${method}`, text };
  });
  const sorted = rows.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ text }) => text);
  return `# URLs

Every URL of the service, who may call it, and the file that declares it. [openapi.yaml](../openapi.yaml) describes the
requests and answers of the API, but not the pages.

| method | URL | access | declared in |
|---|---|---|---|
${sorted.join('\n')}
`;
}
