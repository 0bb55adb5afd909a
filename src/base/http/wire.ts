// The parts that wire schemas share. A text is valid Unicode without control characters, and is validated after
// normalization (NFC). A secret stays unchanged. The objects refuse unknown members.
import { z } from 'zod';
import { isEmptyOrVisible } from '../platform/visible.ts';

// For a missing member, the message of zod names types. The message here says that the member is missing.
z.config({
  customError: (issue) => (issue.code === 'invalid_type' && issue.input === undefined ? 'is required' : undefined),
});

// Line breaks, control characters, and characters that change the direction of the text around them.
const CONTROL = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;

/** One line of text: trimmed, in NFC, with `min` to `max` code points. It may consist of invisible characters. */
export function line(max: number, min: number) {
  return z
    .string()
    .max(max * 8, `must have at most ${max} characters`)
    .transform((value) => value.normalize('NFC').trim())
    .refine(
      (value) => value.isWellFormed() && !CONTROL.test(value),
      'must be one line of valid Unicode without control characters',
    )
    .refine(
      (value) => [...value].length >= min,
      min === 1 ? 'must not be empty' : `must have at least ${min} characters`,
    )
    .refine((value) => [...value].length <= max, `must have at most ${max} characters`);
}

/** One line of text for people (see `line`). Unless it is empty, it must have a visible character. */
export function text(max: number, min = 1) {
  return line(max, min)
    .refine(isEmptyOrVisible, 'must have a visible character')
    .meta({ minLength: min, maxLength: max });
}

/** A secret, unchanged. Its length is limited before it is hashed. */
export const Secret = z.string().min(1, 'must not be empty').max(2048, 'must have at most 2048 characters');

/** An id of this service: a UUID in lower case. */
export const Id = z
  .uuid('must be an id such as 0193c5a0-7a2b-7c3d-8e4f-5a6b7c8d9e0f')
  .transform((id) => id.toLowerCase());

/** An instant in UTC (RFC 3339). */
export const Instant = z.iso.datetime();

/** Wraps an answer in `{ "data": … }`. */
export function enveloped<S extends z.ZodType>(schema: S) {
  return z.strictObject({ data: schema });
}

/** Wraps a list in `{ "data": […], "pagination": … }`. */
export function page<S extends z.ZodType>(schema: S) {
  return z.strictObject({
    data: z.array(schema),
    pagination: z.strictObject({ total: z.int(), limit: z.int(), offset: z.int(), hasMore: z.boolean() }),
  });
}

const digits = (low: number, high: number, fallback: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(low).max(high))
    .prefault(String(fallback))
    .meta({ type: 'integer', minimum: low, maximum: high, default: fallback });

/** The query `?limit=&offset=` of a list. */
export const PageQuery = z.strictObject({ limit: digits(1, 100, 20), offset: digits(0, 1_000_000, 0) });
