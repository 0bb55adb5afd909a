// The rules of time, randomness, environment and output. Only the listed files may read or write these, so that tests
// can pass another clock or environment.
import { ownSources, type Rule } from './repository.ts';
import { codeOf } from './syntax.ts';

function only(name: string, pattern: RegExp, allowed: RegExp): Rule {
  return {
    name,
    find: (repository) =>
      ownSources(repository).flatMap((source) => {
        const used = allowed.test(source.path) ? undefined : codeOf(source).match(pattern)?.[0];
        return used ? [`${source.path}: uses ${used}`] : [];
      }),
  };
}

export const environmentRules: readonly Rule[] = [
  only(
    'only main.ts uses the arguments, environment, streams and end of the process',
    /\bprocess\.(env|argv|stdin|stdout|stderr|exit|exitCode)\b|\bfrom 'node:process'/,
    /^src\/main\.ts$/,
  ),
  only(
    'the time comes from a clock',
    /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bhrtime\b/,
    // The lock of the embedded server is read before the configuration and the log exist. The verifier is a separate
    // package.
    /^src\/(cli\/|main\.ts$|base\/platform\/clock\.ts$|base\/embedded\/running\.ts$|verifier\/core\/clock\.ts$)/,
  ),
  only('randomness comes from node:crypto', /\bMath\.random\b/, /^$/),
  only('nothing prints to the console', /\bconsole\./, /^$/),
];
