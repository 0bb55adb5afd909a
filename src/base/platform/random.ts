// The source of randomness that operations get: the operating system's generator. Tests may pass another one.
import { randomBytes } from 'node:crypto';
import { v4, v7 } from 'uuid';
import type { Clock } from './clock.ts';

export interface Random {
  bytes(count: number): Buffer;
}

export const systemRandom: Random = { bytes: (count) => randomBytes(count) };

/** Returns a UUIDv7 (RFC 9562 §5.7), which sorts by the time of the clock. Use it for the ids of rows. */
export function newId(random: Random, clock: Clock): string {
  return v7({ random: random.bytes(16), msecs: clock.now().getTime() });
}

/** Returns a UUIDv4 (RFC 9562 §5.4) with 122 random bits. Use it for the identifiers of tokens. */
export function newTokenId(random: Random): string {
  return v4({ random: random.bytes(16) });
}
