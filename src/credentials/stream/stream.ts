// The revocation stream: one key of Redis with which replicas inform each other of revocations within milliseconds. The
// stream only adds speed. Every process also reads PostgreSQL, so without the stream it refuses the same tokens about a
// second later.
import type { Log } from '../../base/platform/log.ts';
import { connectRedis, type RedisSettings } from '../../base/platform/redis.ts';
import { ENTRY_OF_MORE, STREAM_KEY } from './entry.ts';
import { openStreamReader, type StreamReaderDeps } from './reader.ts';
import { openStreamWriter, type StreamWriter } from './writer.ts';

export interface StreamDeps extends Pick<StreamReaderDeps, 'take' | 'onGap' | 'onWhole'> {
  readonly settings: RedisSettings;
  readonly log: Log;
  /** The shortest time that an entry stays in the stream, in seconds. */
  readonly keptSeconds: number;
}

/** Opens both directions, each on its own connection. Redis may be unreachable at any time, even during this call. */
export function openStream(deps: StreamDeps): StreamWriter {
  const reading = reportChanges(deps.log, 'reading');
  const writing = reportChanges(deps.log, 'writing');
  let metMalformed = false;
  const writer = openStreamWriter({
    settings: deps.settings,
    keptMs: deps.keptSeconds * 1000,
    onWorking: writing.onWorking,
    onTrouble: writing.onTrouble,
  });
  const reader = openStreamReader({
    ...deps,
    onWhole(atMs) {
      reading.onWorking();
      deps.onWhole(atMs);
    },
    onLost: () => deps.log.warn('the revocation stream was lost in Redis: its events are read from PostgreSQL'),
    onMalformed() {
      if (!metMalformed)
        deps.log.warn('the revocation stream has an entry that this version cannot read: it is ignored');
      metMalformed = true;
    },
    onTrouble: reading.onTrouble,
  });
  return {
    ...writer,
    close() {
      writer.close();
      reader.close();
    },
  };
}

const TRIAL_MS = 2_000;

/**
 * Tries every command of the stream on a Redis. Raises the error of Redis if one fails. This adds an entry, which makes
 * every reader of the stream read PostgreSQL once.
 */
export async function tryStream(settings: RedisSettings): Promise<void> {
  const goal = { settings, key: STREAM_KEY, answerMs: TRIAL_MS };
  const connection = await connectRedis(goal, new AbortController().signal);
  try {
    const id = await connection.ask('XADD', STREAM_KEY, '*', ...ENTRY_OF_MORE);
    await connection.ask('XINFO', 'STREAM', STREAM_KEY);
    await connection.ask('XREAD', 'COUNT', 1, 'STREAMS', STREAM_KEY, String(id));
  } finally {
    connection.close();
  }
}

/** Logs a line when Redis fails, when it fails for a new reason, and when it works again. */
function reportChanges(log: Log, direction: 'reading' | 'writing') {
  let known: string | undefined;
  return {
    onTrouble({ message: reason }: Error) {
      if (reason === known) return;
      known = reason;
      log.warn({ direction, reason }, 'Redis cannot be used: revocations arrive by PostgreSQL alone, within a second');
    },
    onWorking() {
      if (known !== undefined) log.info({ direction }, 'Redis can be used again for revocations');
      known = undefined;
    },
  };
}
