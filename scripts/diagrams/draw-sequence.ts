// Draws a sequence diagram. The texts decide the distance between the columns. The width of a
// text is an upper estimate, because the reader's system chooses the font.
import { BOX, FONT, type Heading, INK, LINE, NOTE, svgFile, xml } from './document.ts';
import type { Item, Sequence } from './sequence.ts';

const SIZE = 13;
const LEADING = 17;
const MARGIN = 24;
const PAD = 10;
const GAP_MIN = 90;
const SECTION_COLOUR = '#1d4ed8';

const widthOf = (lines: readonly string[]) => Math.max(...lines.map((line) => line.length)) * SIZE * 0.57;
const boldWidthOf = (lines: readonly string[]) => widthOf(lines) * 1.15;

function textAt(lines: readonly string[], x: number, top: number, style = ''): string {
  const rows = lines.map((line, row) => `<tspan x="${x}" y="${top + row * LEADING + SIZE}">${xml(line)}</tspan>`);
  return `<text text-anchor="middle"${style}>${rows.join('')}</text>`;
}

/** Hides the lifelines behind a text. */
function ground(lines: readonly string[], middle: number, top: number): string {
  const [width, height] = [widthOf(lines), lines.length * LEADING];
  return `<rect x="${middle - width / 2}" y="${top}" width="${width}" height="${height}" fill="#ffffff"/>`;
}

function box(x: number, y: number, width: number, height: number, fill: string): string {
  return `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="4" fill="${fill}" stroke="${LINE}"/>`;
}

/** Returns the middle of each column, and the width of the whole diagram. */
function columnsOf({ participants, items }: Sequence): { xs: number[]; width: number } {
  const half = participants.map(({ lines }) => boldWidthOf(lines) / 2 + PAD);
  const left = [...half];
  const right = [...half];
  for (const item of items) {
    if (item.kind !== 'note' || item.from !== item.to) continue;
    const needed = widthOf(item.lines) / 2 + PAD;
    left[item.from] = Math.max(left[item.from] ?? 0, needed);
    right[item.from] = Math.max(right[item.from] ?? 0, needed);
  }
  const xs: number[] = [];
  for (let column = 0; column < participants.length; column += 1) {
    const before = column - 1;
    let x = column === 0 ? MARGIN + (left[0] ?? 0) : (xs[before] ?? 0) + GAP_MIN;
    if (column > 0) {
      const boxes = (half[before] ?? 0) + (half[column] ?? 0) + 16;
      const notes = Math.max(right[before] ?? 0, left[column] ?? 0) + 12;
      x = Math.max(x, (xs[before] ?? 0) + Math.max(boxes, notes));
    }
    for (const item of items) {
      if (item.kind === 'section' || Math.max(item.from, item.to) !== column || item.from === item.to) continue;
      const room = item.kind === 'note' ? 0 : 36;
      x = Math.max(x, (xs[Math.min(item.from, item.to)] ?? 0) + widthOf(item.lines) + room);
    }
    xs.push(Math.ceil(x));
  }
  const last = participants.length - 1;
  return { xs, width: Math.ceil((xs[last] ?? 0) + (right[last] ?? 0) + MARGIN) };
}

/** Draws one item below `top`. Returns where the next one begins. */
function draw(item: Item, xs: readonly number[], width: number, top: number): { drawing: string; bottom: number } {
  const height = item.lines.length * LEADING;
  if (item.kind === 'section') {
    const y = top + 14;
    const rule = `<path d="M${MARGIN / 2} ${y - 4}H${width - MARGIN / 2}" stroke="${SECTION_COLOUR}" stroke-opacity="0.35"/>`;
    const style = ` font-weight="600" fill="${SECTION_COLOUR}"`;
    const drawing = rule + ground(item.lines, width / 2, y + 2) + textAt(item.lines, width / 2, y + 2, style);
    return { drawing, bottom: y + height + 12 };
  }
  const [from, to] = [xs[item.from] ?? 0, xs[item.to] ?? 0];
  if (item.kind === 'note') {
    const wide = Math.max(widthOf(item.lines) + 2 * PAD, to - from + 2 * PAD);
    const middle = (from + to) / 2;
    const drawing = box(middle - wide / 2, top, wide, height + 10, NOTE) + textAt(item.lines, middle, top + 4);
    return { drawing, bottom: top + height + 22 };
  }
  const y = top + height + 6;
  const direction = Math.sign(to - from);
  const isLost = item.kind === 'lost';
  const end = isLost ? from + (to - from) * 0.7 : to - direction * 2;
  const dash = item.kind === 'message' ? '' : ' stroke-dasharray="6 4"';
  const marker = isLost ? 'cross' : 'arrow';
  const line = `<path d="M${from} ${y}H${end}" fill="none" stroke="${LINE}" stroke-width="1.5"${dash} marker-end="url(#${marker})"/>`;
  const middle = (from + to) / 2;
  return { drawing: ground(item.lines, middle, top) + textAt(item.lines, middle, top) + line, bottom: y + 16 };
}

const MARKERS = `<defs>
<marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L10 5L0 10z" fill="${LINE}"/></marker>
<marker id="cross" viewBox="0 0 10 10" refX="5" refY="5" markerWidth="9" markerHeight="9"><path d="M1 1L9 9M9 1L1 9" stroke="#b91c1c" stroke-width="2"/></marker>
</defs>`;

/** Returns the SVG file of a sequence. */
export function drawSequence(sequence: Sequence, heading: Heading): string {
  const { xs, width } = columnsOf(sequence);
  const headHeight = Math.max(...sequence.participants.map(({ lines }) => lines.length)) * LEADING + 2 * PAD;
  const drawn: string[] = [];
  let top = MARGIN + headHeight + 18;
  for (const item of sequence.items) {
    const { drawing, bottom } = draw(item, xs, width, top);
    drawn.push(drawing);
    top = bottom;
  }
  const heads = sequence.participants.map(({ lines }, column) => {
    const x = xs[column] ?? 0;
    const wide = boldWidthOf(lines) + 2 * PAD;
    const text = textAt(lines, x, MARGIN + (headHeight - lines.length * LEADING) / 2, ' font-weight="600"');
    return box(x - wide / 2, MARGIN, wide, headHeight, BOX) + text;
  });
  const lives = xs.map(
    (x) => `<path d="M${x} ${MARGIN + headHeight}V${top}" stroke="#9ca3af" stroke-dasharray="3 4"/>`,
  );
  const style = `font-family="${FONT}" font-size="${SIZE}" fill="${INK}"`;
  const drawing = [MARKERS, `<g ${style}>`, ...lives, ...heads, ...drawn, '</g>'].join('\n');
  return svgFile(heading, width, top + MARGIN, drawing);
}
