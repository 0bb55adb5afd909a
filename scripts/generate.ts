// `npm run generate` writes the generated files: openapi.yaml, .env.example, pages of docs/ and the list of routes from
// the code, and the pictures of docs/diagrams/ from the texts beside them. With `-- --check` it writes nothing, names
// the files that differ, and exits with 1 if there are any.
import { staleFiles, writeStaleFiles } from './generate/files.ts';

if (process.argv.includes('--check')) {
  const stale = staleFiles();
  for (const path of stale) console.error(`${path} differs from its source: run npm run generate`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  const written = writeStaleFiles();
  console.log(written.length > 0 ? `Wrote ${written.join(', ')}.` : 'Everything is up to date.');
}
