// The fields for one-time tokens and codes in requests. They limit only the length, so that a text that is no token or
// code gets the same answer as an expired one.
import { z } from 'zod';

export const TokenText = z.string().min(1, 'must not be empty').max(200, 'must have at most 200 characters');
export const CodeText = z.string().min(1, 'must not be empty').max(64, 'must have at most 64 characters');
