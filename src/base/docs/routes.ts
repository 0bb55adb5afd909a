// The interactive API reference at /docs. It serves the files of Swagger UI, and openapi.yaml from the repository.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Endpoint, endpoint, open } from '../http/endpoint.ts';

// The page loads everything from its own origin. Swagger UI sets inline styles.
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Tenantry API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="reference"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
`;
const START = `SwaggerUIBundle({ url: '/docs/openapi.yaml', dom_id: '#reference', deepLinking: true });\n`;

export function docsRoutes(root: string): Endpoint[] {
  const require = createRequire(import.meta.url);
  const assets = join(dirname(require.resolve('@fastify/swagger-ui/package.json')), 'static');
  const file = (path: string) => () => readFile(path, 'utf8');
  const serve = (
    url: string,
    id: string,
    mediaType: string,
    summary: string,
    content: () => Promise<string> | string,
  ) =>
    endpoint({
      method: 'GET',
      url,
      access: open(),
      id,
      summary,
      tag: 'Reference',
      reply: { 200: { mediaType } },
      handle: ({ answer }) => {
        answer.header('content-security-policy', POLICY);
        answer.header('content-type', `${mediaType}; charset=utf-8`);
        return content();
      },
    });
  return [
    serve('/docs', 'getReference', 'text/html', 'Read the API reference', () => PAGE),
    serve(
      '/docs/openapi.yaml',
      'getOpenApi',
      'application/yaml',
      'Read the OpenAPI document',
      file(join(root, 'openapi.yaml')),
    ),
    serve('/docs/start.js', 'getReferenceStart', 'text/javascript', 'A part of the reference page', () => START),
    serve(
      '/docs/swagger-ui.css',
      'getReferenceStyle',
      'text/css',
      'A part of the reference page',
      file(join(assets, 'swagger-ui.css')),
    ),
    serve(
      '/docs/swagger-ui-bundle.js',
      'getReferenceScript',
      'text/javascript',
      'A part of the reference page',
      file(join(assets, 'swagger-ui-bundle.js')),
    ),
  ];
}
