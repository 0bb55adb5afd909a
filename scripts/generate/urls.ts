// Owns: docs/urls.md, from every URL to the file that declares it.
// Leaves to others: which endpoints there are and whose (src/app/endpoints.ts), how an access is written (endpoints.ts).
import type { DeclaredEndpoint } from '../../src/app/endpoints.ts';
import { accessText } from './endpoints.ts';

export function urlsPage(declared: readonly DeclaredEndpoint[]): string {
  const rows = declared.map(({ endpoint: { method, url, access }, folder }) => {
    const file = `src/${folder}/routes.ts`;
    const text = `| ${method} | \`${url}\` | ${accessText(access)} | [\`${file}\`](../${file}) |`;
    return { key: `${url} ${method}`, text };
  });
  const sorted = rows.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ text }) => text);
  return `# URLs

Every URL of the service, who may call it, and the file that declares it. What each takes and answers is in
[openapi.yaml](../openapi.yaml).

| method | URL | access | declared in |
|---|---|---|---|
${sorted.join('\n')}
`;
}
