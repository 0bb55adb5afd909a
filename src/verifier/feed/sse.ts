// Reads a stream of server-sent events (HTML, §9.2) from pieces of text, and holds no more of it than one event.

export interface Frame {
  readonly event: string;
  readonly data: string;
  /** The id of this or, where it has none, of the last event that had one. */
  readonly id: string;
}

export interface SseReader {
  /** The events that are whole with this piece. Raises Error when one grows too long. */
  read(piece: string): Frame[];
}

export function createSseReader(charactersMax: number): SseReader {
  let line: string[] = [];
  let held = 0;
  let event = '';
  let data: string[] = [];
  let id = '';
  let endsInReturn = false;

  function hold(text: string): void {
    held += text.length;
    if (held > charactersMax) throw new Error(`an event is longer than ${charactersMax} characters`);
  }

  function take(text: string): void {
    if (text.startsWith(':')) return; // a comment
    const colon = text.indexOf(':');
    const name = colon < 0 ? text : text.slice(0, colon);
    const value = colon < 0 ? '' : text.slice(text[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (name === 'event') event = value;
    else if (name === 'data') data.push(value);
    else if (name === 'id' && !value.includes('\0')) id = value;
  }

  function dispatch(frames: Frame[]): void {
    if (data.length > 0) frames.push({ event: event || 'message', data: data.join('\n'), id });
    event = '';
    data = [];
    held = 0;
  }

  return {
    read(received) {
      const frames: Frame[] = [];
      // CRLF, CR and LF end a line alike; the two of CRLF may come in two pieces.
      const rest = endsInReturn && received.startsWith('\n') ? received.slice(1) : received;
      if (received !== '') endsInReturn = received.endsWith('\r');
      const piece = rest.includes('\r') ? rest.replace(/\r\n?/g, '\n') : rest;
      let from = 0;
      for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', from)) {
        hold(piece.slice(from, end));
        line.push(piece.slice(from, end));
        const whole = line.join('');
        line = [];
        from = end + 1;
        if (whole === '') dispatch(frames);
        else take(whole);
      }
      if (from < piece.length) {
        hold(piece.slice(from));
        line.push(piece.slice(from));
      }
      return frames;
    },
  };
}
