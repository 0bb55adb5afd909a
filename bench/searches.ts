// The names of people who are searched for, and the measurement of the searches.
import { demand } from '../scripts/prove/proof.ts';
import type { Api } from '../test/support/client.ts';
import { median } from './paired.ts';

export const FIRST = [
  'Ada',
  'Grace',
  'Alan',
  'Edsger',
  'Barbara',
  'Donald',
  'Frances',
  'Ken',
  'Radia',
  'Leslie',
  'Zoë',
  'Ľubica',
];
export const LAST = [
  'Lovelace',
  'Hopper',
  'Turing',
  'Dijkstra',
  'Liskov',
  'Knuth',
  'Allen',
  'Thompson',
  'Perlman',
  'Lamport',
];
const P95_MILLISECONDS_MAX = 150;
const QUERIES = [
  'nobody',
  'perlman 12345',
  'person99999@',
  'person77',
  'Lovelace 7',
  'zoë',
  'ľub',
  'Turing',
  'example',
  'a',
];

/** Searches the members of the caller's organization `rounds` times for each query. Returns the times as lines. */
export async function measureSearches(api: Api, token: string, rounds: number): Promise<string> {
  const lines: string[] = [];
  for (const q of QUERIES) {
    const times: number[] = [];
    let total = 0;
    for (let round = 0; round < rounds; round += 1) {
      const begun = performance.now();
      const { status, body, text } = await api.get(`/users?q=${encodeURIComponent(q)}`, { token });
      const milliseconds = performance.now() - begun;
      demand(
        status === 200,
        `a search for ${JSON.stringify(q)} answered ${status} after ${milliseconds.toFixed(0)} ms: ${text}`,
      );
      times.push(milliseconds);
      total = body.pagination.total;
    }
    const p95 = times.toSorted((a, b) => a - b)[Math.floor(rounds * 0.95)] ?? 0;
    const found = `${JSON.stringify(q).padEnd(16)} ${String(total).padStart(7)} found`;
    lines.push(
      `${found}  p50 ${median(times).toFixed(0).padStart(5)} ms  p95 ${p95.toFixed(0).padStart(5)} ms${p95 > P95_MILLISECONDS_MAX ? ' (too slow)' : ''}`,
    );
  }
  return lines.join('\n');
}
