// The weight of a page: its HTML and every file that a browser loads for it, as they are sent and compressed by gzip.
import { gzipSync } from 'node:zlib';

export interface Weight {
  readonly path: string;
  readonly bytes: number;
  readonly compressed: number;
}

const LOADED = /<(?:link|script|img)\b[^>]*\b(?:href|src)="(\/[^"]+)"/g;
const IMPORTED = /\bimport '(\/[^']+)'/g;

/** Returns the weights of a page and of its files, that of the page first. Raises an error if a file cannot be read. */
export async function weighPage(url: string, path: string): Promise<Weight[]> {
  const weights = new Map<string, Weight>();
  const waiting = [path];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (weights.has(next)) continue;
    const reply = await fetch(`${url}${next}`, { headers: { accept: next === path ? 'text/html' : '*/*' } });
    if (!reply.ok) throw new Error(`${next} answered ${reply.status}`);
    const content = Buffer.from(await reply.arrayBuffer());
    weights.set(next, { path: next, bytes: content.length, compressed: gzipSync(content).length });
    const text = content.toString('utf8');
    for (const [, file = ''] of text.matchAll(next === path ? LOADED : IMPORTED)) waiting.push(file);
  }
  return [...weights.values()];
}

export function sum(weights: readonly Weight[], what: 'bytes' | 'compressed'): number {
  return weights.reduce((total, weight) => total + weight[what], 0);
}
