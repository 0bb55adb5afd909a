// New events as bytes, shared by any number of readers, each at its own speed. The channel keeps the newest chunks,
// which together have at most `bytesMax` bytes, and always the very newest chunk. A reader that needs an older chunk
// has lost its position.

export interface Chunk {
  readonly bytes: Buffer;
  /** The position after this chunk. */
  readonly next: number;
}

export interface Channel {
  append(text: string): void;
  /** The position after the newest chunk. */
  end(): number;
  /** The chunk at a position, or null when that chunk does not exist yet. The caller must not pass a lost position. */
  read(position: number): Chunk | null;
  /** Whether the chunk at a position has been dropped. */
  isLost(position: number): boolean;
}

// Events of one turn of the event loop are joined into chunks of a size that suits a socket.
const CHUNK_CHARACTERS_MAX = 64 * 1024;

/**
 * Creates an empty channel. `onAppend` is called at the end of each turn of the event loop in which an event was
 * appended.
 */
export function createChannel(bytesMax: number, onAppend: () => void): Channel {
  const chunks = new Map<number, Buffer>(); // by position: from `first` up to the one before `end`
  let first = 0;
  let end = 0;
  let bytes = 0;
  let waiting: string[] = [];
  let characters = 0;
  let announced = false;

  function flush(): void {
    if (waiting.length === 0) return;
    const chunk = Buffer.from(waiting.join(''));
    waiting = [];
    characters = 0;
    chunks.set(end, chunk);
    end += 1;
    bytes += chunk.length;
    for (; bytes > bytesMax && first < end - 1; first += 1) {
      bytes -= chunks.get(first)?.length ?? 0;
      chunks.delete(first);
    }
  }

  function announce(): void {
    announced = false;
    onAppend();
  }

  return {
    append(text) {
      waiting.push(text);
      characters += text.length;
      if (characters >= CHUNK_CHARACTERS_MAX) flush();
      if (!announced) setImmediate(announce);
      announced = true;
    },
    end() {
      flush();
      return end;
    },
    read(position) {
      flush();
      const chunk = chunks.get(position);
      return chunk ? { bytes: chunk, next: position + 1 } : null;
    },
    isLost: (position) => position < first,
  };
}
