// Colours of pages: the contrast of two colours (WCAG 2.2, 1.4.3), and shades of a colour that can be read.

/** Red, green and blue, each from 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number];

const BLACK: Colour = [0, 0, 0];
const WHITE: Colour = [255, 255, 255];

/** Reads a colour such as #0b6e4f. */
export function colourOf(hex: string): Colour {
  const at = (index: number) => Number.parseInt(hex.slice(index, index + 2), 16);
  return [at(1), at(3), at(5)];
}

export function hexOf(colour: Colour): string {
  return `#${colour.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
}

function luminance(colour: Colour): number {
  const linear = (part: number) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  const [red, green, blue] = colour;
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
}

/** The contrast of two colours, from 1 to 21. */
export function contrast(one: Colour, other: Colour): number {
  const [low = 0, high = 0] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

/** Returns the shade of a colour that is nearest to it and has the wanted contrast to the background. */
export function readableOn(background: Colour, colour: Colour, wanted: number): Colour {
  const towards = contrast(background, WHITE) > contrast(background, BLACK) ? WHITE : BLACK;
  for (let share = 0; share < 1; share += 0.02) {
    const mixed: Colour = [
      Math.round(colour[0] + (towards[0] - colour[0]) * share),
      Math.round(colour[1] + (towards[1] - colour[1]) * share),
      Math.round(colour[2] + (towards[2] - colour[2]) * share),
    ];
    if (contrast(background, mixed) >= wanted) return mixed;
  }
  return towards;
}

/** Returns black or white, whichever is easier to read on the colour. The contrast is at least 4.5. */
export function inkOn(colour: Colour): Colour {
  return contrast(colour, WHITE) >= contrast(colour, BLACK) ? WHITE : BLACK;
}
