// Reads the text of a sequence diagram. A line is a participant, a message, a note or a section:
//
// participant app: Application from left to right; `\n` in any text begins a new line app -> service: POST /login a
// message; `-->` is an answer, `-x` a message that gets lost note app, service: both know it over one participant, or
// from the first to the second == Sign-in == a section
//
// draw-sequence.ts draws the diagram.

export interface Participant {
  readonly id: string;
  readonly lines: readonly string[];
}

export type Item =
  | { readonly kind: 'message' | 'answer' | 'lost'; readonly from: number; readonly to: number; lines: string[] }
  | { readonly kind: 'note'; readonly from: number; readonly to: number; lines: string[] }
  | { readonly kind: 'section'; lines: string[] };

export interface Sequence {
  readonly participants: readonly Participant[];
  readonly items: readonly Item[];
}

const PARTICIPANT = /^participant (\w+): (.+)$/;
const MESSAGE = /^(\w+) (->|-->|-x) (\w+): (.+)$/;
const NOTE = /^note (\w+)(?:, (\w+))?: (.+)$/;
const SECTION = /^== (.+) ==$/;
const ARROWS = { '->': 'message', '-->': 'answer', '-x': 'lost' } as const;

/** Reads the text of a diagram. Raises an error that names the line with the mistake. */
export function readSequence(source: string, path: string): Sequence {
  const participants: Participant[] = [];
  const items: Item[] = [];
  const linesOf = (text = '') => text.split('\\n').map((line) => line.trim());
  source.split('\n').forEach((raw, index) => {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) return;
    const refuse = (why: string) => new Error(`${path}:${index + 1}: ${why}: ${line}`);
    const find = (id: string) => {
      const found = participants.findIndex((participant) => participant.id === id);
      if (found === -1) throw refuse(`no participant ${id}`);
      return found;
    };
    const [, id, name] = PARTICIPANT.exec(line) ?? [];
    const [, from, arrow, to, said] = MESSAGE.exec(line) ?? [];
    const [, first, last, noted] = NOTE.exec(line) ?? [];
    const [, section] = SECTION.exec(line) ?? [];
    if (id) participants.push({ id, lines: linesOf(name) });
    else if (from && to) {
      if (from === to) throw refuse('a message to its sender is not possible: use a note');
      const kind = ARROWS[arrow as keyof typeof ARROWS];
      items.push({ kind, from: find(from), to: find(to), lines: linesOf(said) });
    } else if (first) items.push({ kind: 'note', from: find(first), to: find(last ?? first), lines: linesOf(noted) });
    else if (section) items.push({ kind: 'section', lines: linesOf(section) });
    else throw refuse('not understood');
  });
  return { participants, items };
}
