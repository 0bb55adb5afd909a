// Notices that the database has gone back in time: a standby that had not received everything has taken over, or a
// backup has been restored. Then logouts that were acknowledged may have been undone. A process compares what it knows
// with what the database has, and the verdict is stored, so that every process refuses the same tokens until an
// operator decides.
import type { Database } from '../../base/database/db.ts';
import { notWritable } from '../../base/database/outage.ts';
import type { Log } from '../../base/platform/log.ts';
import type { Revocation } from '../../protocol/revocation.ts';
import { createRevocationMap } from '../../protocol/revocation-map.ts';
import { judgeLineage, readServer, type ServerFacts, type Verdict } from './lineage-store.ts';
import { writeLostEpochs } from './lost-store.ts';
import { NOTHING_READ, readRevocations } from './read.ts';
import { ROWS_KEPT_SECONDS } from './remembered.ts';

export interface LineageDeps {
  readonly db: Database;
  readonly log: Log;
  /** Every event that this process knows. */
  readonly events: () => Iterable<Revocation>;
}

export interface LineageWatch {
  /** Judges the server if it has changed since the last call. Raises DatabaseUnavailable. */
  check(server: ServerFacts): Promise<void>;
  /** Notes the newest committed transaction that was read. */
  noteRead(newestTx: string): void;
  /** Tokens issued before this second are refused until an operator decides; 0 for none. */
  doubtedBefore(): number;
}

const NOTHING = '0';

/** Creates a watch that knows nothing about the database yet. */
export function createLineageWatch({ db, log, events }: LineageDeps): LineageWatch {
  let known: string | null = null; // the lineage that this process has judged last
  let newestTx = NOTHING;
  let doubtedBefore = 0;

  function setDoubt(server: ServerFacts): void {
    const { doubtedBefore: next } = server;
    if (next > 0 && doubtedBefore === 0) {
      const text =
        'the database was set back: sessions and tokens from before are refused until an operator runs tenantry restore or tenantry database accept';
      log.error({ lineage: server.lineage, before: new Date(next * 1000).toISOString() }, text);
    }
    if (next === 0 && doubtedBefore > 0) log.info('an operator has decided about the database that was set back');
    doubtedBefore = next;
  }

  function verdictOn({ lineage, judged, nextTx }: ServerFacts, lost: readonly Revocation[]): Verdict {
    if (BigInt(nextTx) <= BigInt(newestTx)) return 'lost'; // the database lacks a transaction that was read
    if (known !== null) return lost.length > 0 ? 'lost' : 'whole';
    return judged === null || judged === lineage ? 'whole' : 'unwitnessed';
  }

  const doubting = (server: ServerFacts): ServerFacts => ({
    ...server,
    doubtedBefore: server.doubtedBefore || doubtedBefore || Math.ceil(server.now / 1000),
  });

  return {
    async check(server) {
      const { lineage, judged, nextTx } = server;
      const wentBack = BigInt(nextTx) <= BigInt(newestTx);
      const isSame = lineage === known && lineage === judged && !wentBack;
      if (isSame || lineage === null) {
        // Another lost event may have arrived through the stream since the verdict.
        const isDecided = doubtedBefore > 0 && server.doubtedBefore === 0;
        if (!isDecided || (await writeLost(db, await listLost(db, events())))) setDoubt(server);
        return;
      }
      const lost = known === null && !wentBack ? [] : await listLost(db, events());
      const verdict = verdictOn(server, lost);
      const isJudged = known === null && lineage === judged && verdict === 'whole';
      const stored =
        isJudged ||
        (await isStored(
          judgeLineage(db.systemReader(), { lineage, verdict, wentBack: wentBack && lineage === known }),
        ));
      // A database that accepts no writes can still be read. This process keeps its verdict, and judges again at the
      // next reading.
      if (!stored) return setDoubt(verdict === 'whole' ? server : doubting(server));
      // The lost epochs are written after the verdict: otherwise, another process that judges later would find nothing
      // missing. Until they are written, this process judges again.
      if (!(await writeLost(db, lost))) return setDoubt(doubting(server));
      known = lineage;
      if (wentBack) newestTx = NOTHING;
      setDoubt(await readServer(db.systemReader()));
    },
    noteRead(tx) {
      if (BigInt(tx) > BigInt(newestTx)) newestTx = tx;
    },
    doubtedBefore: () => doubtedBefore,
  };
}

/** The events that this process knew before the database was read again, and that the database lacks. */
async function listLost(db: Database, events: Iterable<Revocation>): Promise<Revocation[]> {
  const before = [...events];
  const found = createRevocationMap(() => 0, Number.POSITIVE_INFINITY);
  await readRevocations(db, NOTHING_READ, (revocation) => void found.add(revocation), ROWS_KEPT_SECONDS);
  // The rows of these two kinds may be removed while their effect stays. So a missing row proves nothing.
  const isProof = ({ kind }: Revocation) => kind !== 'everything' && kind !== 'key';
  return before.filter((event) => isProof(event) && found.add(event));
}

/**
 * Raises the lost epochs again, so that the tokens of new sign-ins are accepted wherever the lost changes are known.
 * Returns whether the database could store them. Raises DatabaseUnavailable.
 */
function writeLost(db: Database, lost: readonly Revocation[]): Promise<boolean> {
  const epochs = lost.filter((event) => 'epoch' in event);
  return epochs.length === 0 ? Promise.resolve(true) : isStored(writeLostEpochs(db.systemReader(), epochs));
}

/** Whether the database could store something. Raises DatabaseUnavailable. */
async function isStored(writing: Promise<void>): Promise<boolean> {
  try {
    await writing;
    return true;
  } catch (error) {
    if (notWritable(error) === null) throw error;
    return false;
  }
}
