// Validates a part of a request by its schema.
import type { z } from 'zod';
import { type FieldIssue, problem } from '../errors/problem.ts';

const ISSUES_MAX = 20;

/**
 * Returns the value as the schema parses it. Raises validation_failed with the issues. `part` is the part of the
 * request that contains the value, or '' for the body.
 */
export function validate(schema: z.ZodType, value: unknown, part: '' | 'query' | 'path'): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues: FieldIssue[] = parsed.error.issues.slice(0, ISSUES_MAX).flatMap((issue) => {
    // A repeated parameter of the query is a list.
    const isRepeated = part === 'query' && issue.code === 'invalid_type' && Array.isArray(valueAt(value, issue.path));
    if (isRepeated) return { path: pathOf(part, issue.path), message: 'must be sent once' };
    if (issue.code !== 'unrecognized_keys') return { path: pathOf(part, issue.path), message: issue.message };
    return issue.keys
      .slice(0, ISSUES_MAX)
      .map((key) => ({ path: pathOf(part, [...issue.path, key.slice(0, 100)]), message: 'is not known here' }));
  });
  throw problem('validation_failed', { issues });
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (inner as Record<PropertyKey, unknown> | null)?.[key], value);
}

function pathOf(part: string, path: readonly PropertyKey[]): string {
  return [part, ...path.map(String)].filter((name) => name !== '').join('.');
}
