// The diagrams of docs/diagrams/: each is a text file, with an SVG file of the same name beside it. A graph is
// written in Graphviz's language (*.dot), a sequence in the language that sequence.ts reads (*.txt).
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { instance } from '@viz-js/viz';
import { FONT, headingOf, svgFile } from './document.ts';
import { drawSequence } from './draw-sequence.ts';
import { readSequence } from './sequence.ts';

const FOLDER = 'docs/diagrams';
const graphviz = await instance();

/** Returns the content that every SVG file should have, by its path from the root. */
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

/**
 * Puts a drawing of Graphviz into our own document, because Graphviz uses points as the unit and its own fonts, and
 * writes no description.
 */
function graph(source: string, path: string): string {
  const whole = graphviz.renderString(source, { format: 'svg', engine: 'dot' });
  const [, width, height] = /<svg width="(\d+)pt" height="(\d+)pt"/.exec(whole) ?? [];
  const drawing = /<g id="graph0"[\s\S]*<\/g>(?=\s*<\/svg>)/.exec(whole)?.[0];
  if (!width || !height || !drawing) throw new Error(`${path}: the output of Graphviz has an unknown form`);
  const plain = drawing
    .replace(/<!--[\s\S]*?-->\n?/g, '')
    .replace(/<title>[\s\S]*?<\/title>\n?/g, '')
    .replace(/font-family="[^"]*"/g, `font-family="${FONT}"`);
  return svgFile(headingOf(source, path), Number(width), Number(height), plain);
}
