// Writes the files that follow from others: openapi.yaml, .env.example, pages of docs/ and the list of routes from the
// code, the pictures of docs/diagrams/ from the texts beside them.
// `npm run generate`; with `-- --check` it writes nothing and exits 1 naming every file that differs.
import { staleFiles, writeStaleFiles } from './generate/files.ts';

if (process.argv.includes('--check')) {
  const stale = staleFiles();
  for (const path of stale) console.error(`${path} is not what its source says: run npm run generate`);
  process.exitCode = stale.length > 0 ? 1 : 0;
} else {
  const written = writeStaleFiles();
  console.log(written.length > 0 ? `Wrote ${written.join(', ')}.` : 'Everything is up to date.');
}
