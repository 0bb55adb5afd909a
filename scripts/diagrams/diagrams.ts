// Owns: the diagrams of docs/diagrams/: each is a text, and the SVG file of the same name beside it. A graph is written in
// Graphviz's language (*.dot), a sequence in the one that sequence.ts reads (*.txt).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { instance } from '@viz-js/viz';
import { FONT, headingOf, svgFile } from './document.ts';
import { drawSequence } from './draw-sequence.ts';
import { readSequence } from './sequence.ts';

const FOLDER = 'docs/diagrams';
const graphviz = await instance();

/** Every SVG file with its right content, by its path from the root. */
export function diagrams(root: string): [path: string, content: string][] {
  const sources = readdirSync(join(root, FOLDER)).filter((name) => /\.(dot|txt)$/.test(name));
  return sources.sort().map((name) => {
    const path = `${FOLDER}/${name}`;
    const source = readFileSync(join(root, path), 'utf8');
    return [path.replace(/\.\w+$/, '.svg'), name.endsWith('.dot') ? graph(source, path) : sequence(source, path)];
  });
}

function sequence(source: string, path: string): string {
  return drawSequence(readSequence(source, path), headingOf(source, path));
}

/** What Graphviz draws, in our document: it measures in points, names no fonts of other systems and has no description. */
function graph(source: string, path: string): string {
  const whole = graphviz.renderString(source, { format: 'svg', engine: 'dot' });
  const [, width, height] = /<svg width="(\d+)pt" height="(\d+)pt"/.exec(whole) ?? [];
  const drawing = /<g id="graph0"[\s\S]*<\/g>(?=\s*<\/svg>)/.exec(whole)?.[0];
  if (!width || !height || !drawing) throw new Error(`${path}: Graphviz answers in another way than it did`);
  const plain = drawing
    .replace(/<!--[\s\S]*?-->\n?/g, '')
    .replace(/<title>[\s\S]*?<\/title>\n?/g, '')
    .replace(/font-family="[^"]*"/g, `font-family="${FONT}"`);
  return svgFile(headingOf(source, path), Number(width), Number(height), plain);
}
