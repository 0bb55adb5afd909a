// The revocation stream: one key of Redis by which replicas tell each other within milliseconds what is revoked. It only
// makes faster what PostgreSQL makes sure: a process that can use it, or cannot, refuses the same tokens a second later.
import type { Log } from '../../base/platform/log.ts';
import { connectRedis, type RedisSettings } from '../../base/platform/redis.ts';
import { ENTRY_OF_MORE, STREAM_KEY } from './entry.ts';
import { openStreamReader, type StreamReaderDeps } from './reader.ts';
import { openStreamWriter, type StreamWriter } from './writer.ts';

export interface StreamDeps extends Pick<StreamReaderDeps, 'take' | 'onGap' | 'onWhole'> {
  readonly settings: RedisSettings;
  readonly log: Log;
  /** How long an entry stays in the stream at least, in seconds. */
  readonly keptSeconds: number;
}

/** Opens both directions, each on a connection of its own. Neither has to be there, now or ever. */
export function openStream(deps: StreamDeps): StreamWriter {
  const reading = tellChanges(deps.log, 'reading');
  const writing = tellChanges(deps.log, 'writing');
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
    onLost: () => deps.log.warn('the revocation stream was lost in Redis: what was in it is read from PostgreSQL'),
    onMalformed() {
      if (!metMalformed) deps.log.warn('the revocation stream holds what this version cannot read: it is passed over');
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
 * Asks a Redis for everything that the stream needs of it. Raises what it says against that. The entry that is added
 * makes those who follow the stream read PostgreSQL once.
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

/** A line when Redis goes, or is away for another reason than before, and one when it is back. */
function tellChanges(log: Log, direction: 'reading' | 'writing') {
  let known: string | undefined;
  return {
    onTrouble({ message: reason }: Error) {
      if (reason === known) return;
      known = reason;
      log.warn({ direction, reason }, 'Redis cannot be used: revocations travel by PostgreSQL alone, within a second');
    },
    onWorking() {
      if (known !== undefined) log.info({ direction }, 'Redis can be used again for revocations');
      known = undefined;
    },
  };
}
