// The list of the generated files of the repository, and the comparison of each with its expected content.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describeEndpoints } from '../../src/app/endpoints.ts';
import { diagrams } from '../diagrams/diagrams.ts';
import { ROOT, routeList } from './endpoints.ts';
import { eventsPage } from './events.ts';
import { openApiYaml } from './openapi.ts';
import { configurationPage, environmentExample, problemsPage } from './pages.ts';
import { urlsPage } from './urls.ts';

/** Returns the content that every generated file should have, by its path from the root. */
export function generatedFiles(): ReadonlyMap<string, string> {
  const declared = describeEndpoints(ROOT);
  const endpoints = declared.map(({ endpoint }) => endpoint);
  return new Map([
    ['openapi.yaml', openApiYaml(endpoints)],
    ['.env.example', environmentExample()],
    ['docs/configuration.md', configurationPage()],
    ['docs/problems.md', problemsPage()],
    ['docs/events.md', eventsPage()],
    ['docs/urls.md', urlsPage(declared)],
    ['test/contract/routes.txt', routeList(endpoints)],
    ...diagrams(ROOT),
  ]);
}

/** Returns the paths of the files that are missing or differ. */
export function staleFiles(): string[] {
  return [...generatedFiles()].filter(([path, content]) => contentOf(path) !== content).map(([path]) => path);
}

/** Writes the files that differ. Returns their paths. */
export function writeStaleFiles(): string[] {
  const files = generatedFiles();
  const stale = staleFiles();
  for (const path of stale) {
    mkdirSync(dirname(join(ROOT, path)), { recursive: true });
    writeFileSync(join(ROOT, path), files.get(path) ?? '');
  }
  return stale;
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch {
    return undefined;
  }
}
