// Reads server-sent events (HTML, §9.2) from chunks of text. The reader keeps at most one event in memory.

export interface Frame {
  readonly event: string;
  readonly data: string;
  /** The id of this event. If it has none, the id of the last event that had one. */
  readonly id: string;
}

export interface SseReader {
  /** The events that are complete with this chunk. Raises Error if an event is too long. */
  read(chunk: string): Frame[];
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
      // CRLF, CR and LF each end a line. A CRLF may be split between two chunks.
      const rest = endsInReturn && received.startsWith('\n') ? received.slice(1) : received;
      if (received !== '') endsInReturn = received.endsWith('\r');
      const text = rest.includes('\r') ? rest.replace(/\r\n?/g, '\n') : rest;
      let from = 0;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
        hold(text.slice(from, end));
        line.push(text.slice(from, end));
        const whole = line.join('');
        line = [];
        from = end + 1;
        if (whole === '') dispatch(frames);
        else take(whole);
      }
      if (from < text.length) {
        hold(text.slice(from));
        line.push(text.slice(from));
      }
      return frames;
    },
  };
}
