// What is news, as bytes, for any number of streams: each reads on at its own pace, all share the bytes. It holds so many
// of the newest and no more: a stream that falls behind them has lost its place.

export interface Chunk {
  readonly bytes: Buffer;
  /** The place behind it. */
  readonly next: number;
}

export interface Channel {
  append(text: string): void;
  /** The place behind the newest chunk. */
  end(): number;
  /** The chunk at a place, null when there is none yet. Not for a lost place. */
  read(place: number): Chunk | null;
  /** Whether what stood at a place is not held any more. */
  isLost(place: number): boolean;
}

// What comes at once goes out at once, in pieces that suit a socket.
const CHUNK_CHARACTERS_MAX = 64 * 1024;

/** An empty channel. `onNews` is called after something was appended, at the end of the present turn. */
export function createChannel(bytesMax: number, onNews: () => void): Channel {
  const chunks = new Map<number, Buffer>(); // by their place, from `first` to before `end`
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
    onNews();
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
    read(place) {
      flush();
      const chunk = chunks.get(place);
      return chunk ? { bytes: chunk, next: place + 1 } : null;
    },
    isLost: (place) => place < first,
  };
}
