// The parts that every diagram shares: the heading of a source, colours and fonts, and the SVG document around a
// drawing. An image cannot use the colours of the page that shows it. So each image has a light background of its own,
// and is also readable on a dark page.
export const FONT = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif';
export const INK = '#1f2937';
export const LINE = '#4b5563';
export const BOX = '#e8eefc';
export const NOTE = '#fdf6d8';

export interface Heading {
  readonly title: string;
  readonly description: string;
}

/** Reads the lines `# title: …` and `# description: …` at the start of a source. Raises an error if one is missing. */
export function headingOf(source: string, path: string): Heading {
  const [title, description] = ['title', 'description'].map(
    (name) => new RegExp(`^# ${name}: (.+)$`, 'm').exec(source)?.[1],
  );
  if (!title || !description) throw new Error(`${path}: it does not begin with # title: and # description:`);
  return { title, description };
}

export function xml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

/** Returns a whole SVG file. `drawing` covers the area from 0,0 to width,height. */
export function svgFile({ title, description }: Heading, width: number, height: number, drawing: string): string {
  const id = title.toLowerCase().replaceAll(/\W+/g, '-');
  return `<?xml version="1.0" encoding="UTF-8"?>
<!-- Written by npm run generate from the text beside it. Do not edit. -->
<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${id}-title ${id}-description">
<title id="${id}-title">${xml(title)}</title>
<desc id="${id}-description">${xml(description)}</desc>
<rect width="${width}" height="${height}" rx="8" fill="#ffffff"/>
${drawing}
</svg>
`;
}
