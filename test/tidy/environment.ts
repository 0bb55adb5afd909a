// What a program takes from its surroundings comes in at named files, so that tests can give it another clock or
// environment: the rules of time, chance, environment and output.
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
    'the environment is read by the configuration, the command line and main',
    /\bprocess\.env\b|\benv\b.*from 'node:process'/,
    /^src\/(cli\/|base\/config\/|main\.ts$)/,
  ),
  only(
    'the time comes from a clock',
    /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bhrtime\b/,
    // The lock of the embedded server is read before anything is open. The verifier is a package of its own.
    /^src\/(cli\/|main\.ts$|base\/platform\/clock\.ts$|base\/embedded\/running\.ts$|verifier\/core\/clock\.ts$)/,
  ),
  only('chance comes from node:crypto', /\bMath\.random\b/, /^$/),
  only('output is for the command line and main', /\bconsole\.|\bprocess\.std(out|err)\b/, /^src\/(cli\/|main\.ts$)/),
];
