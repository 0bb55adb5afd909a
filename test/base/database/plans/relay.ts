// Collects the plans of the queries of a running service. PostgreSQL reports each plan as a notice (auto_explain) on
// the connection of the query. A relay between the service and PostgreSQL reads these notices. The service itself is
// not changed, so no statement can be forgotten.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Index Cond'?: string;
  readonly Filter?: string;
  readonly Plans?: readonly PlanNode[];
}

export interface QueryPlan {
  readonly statement: string;
  readonly root: PlanNode;
}

export interface PlanRelay {
  /** The URL of the same database through the relay. */
  through(url: string): string;
  /** Returns the plans that were reported since the last call, without repeats. */
  take(): QueryPlan[];
  close(): Promise<void>;
}

/** The statements that make every new connection of a database report its plans. The superuser must run them. */
export function tellPlans(database: string, planCacheMode: 'auto' | 'force_generic_plan'): string[] {
  const settings = {
    session_preload_libraries: 'auto_explain',
    'auto_explain.log_min_duration': '0',
    'auto_explain.log_level': 'notice',
    'auto_explain.log_format': 'json',
    'auto_explain.log_nested_statements': 'on', // the queries of triggers and foreign keys
    client_min_messages: 'notice',
    plan_cache_mode: planCacheMode,
  };
  return Object.entries(settings).map(([name, value]) => `ALTER DATABASE ${database} SET ${name} = '${value}'`);
}

const HEADER_BYTES = 5;

/**
 * Calls `onNotice` with the text of each notice among the server's messages (PostgreSQL protocol, "Message Formats").
 */
function readNotices(onNotice: (text: string) => void): (received: Buffer) => void {
  let waiting: Buffer = Buffer.alloc(0);
  return (received) => {
    waiting = waiting.length === 0 ? received : Buffer.concat([waiting, received]);
    while (waiting.length >= HEADER_BYTES) {
      const end = 1 + waiting.readInt32BE(1);
      if (waiting.length < end) return;
      if (waiting[0] === 0x4e) {
        const fields = waiting.toString('utf8', HEADER_BYTES, end).split('\0');
        onNotice(fields.find((field) => field.startsWith('M'))?.slice(1) ?? '');
      }
      waiting = waiting.subarray(end);
    }
  };
}

/** Opens a relay to the server of `url`, on a free port of the loopback interface. */
export async function openPlanRelay(url: string): Promise<PlanRelay> {
  const server = new URL(url);
  const plans = new Map<string, QueryPlan>();
  const sockets = new Set<Socket>();
  const onNotice = (text: string) => {
    const json = /^duration: [\d.]+ ms +plan:\n(\{[\s\S]*)$/.exec(text)?.[1];
    if (json === undefined || plans.has(json)) return;
    const { 'Query Text': statement, Plan: root } = JSON.parse(json);
    plans.set(json, { statement, root });
  };
  const relay = createServer((client) => {
    const upstream = connect(Number(server.port), server.hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket.setNoDelay(true));
      socket.on('error', () => other.destroy()).on('close', () => other.destroy() && sockets.delete(socket));
    }
    upstream.on('data', readNotices(onNotice));
    client.pipe(upstream);
    upstream.pipe(client);
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const { port } = relay.address() as AddressInfo;
  return {
    through(other) {
      const relayed = new URL(other);
      relayed.host = `127.0.0.1:${port}`;
      return relayed.href;
    },
    take() {
      const taken = [...plans.values()];
      plans.clear();
      return taken;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      relay.close();
      await once(relay, 'close');
    },
  };
}

function* nodesOf(node: PlanNode): Generator<PlanNode> {
  yield node;
  for (const child of node.Plans ?? []) yield* nodesOf(child);
}

const WHOLE = ['Seq Scan', 'Index Scan', 'Index Only Scan'];

/** Returns the tables among `large` that a plan scans fully: sequentially, or by an index without a key. */
export function readFromEndToEnd({ root }: QueryPlan, large: ReadonlySet<string>): string[] {
  return [...nodesOf(root)].flatMap((node) => {
    const table = node['Relation Name'] ?? '';
    if (!WHOLE.includes(node['Node Type']) || node['Index Cond'] !== undefined || !large.has(table)) return [];
    return [node['Index Name'] === undefined ? table : `${table} by ${node['Index Name']}`];
  });
}

/** Returns the tables whose rows a plan checks against a set. The plan collects that set even for a single row. */
export function judgedByWholeSet({ root }: QueryPlan, tables: ReadonlySet<string>): string[] {
  const judging = [...nodesOf(root)].filter((node) => node.Filter?.includes('hashed SubPlan'));
  return judging.map((node) => node['Relation Name'] ?? '').filter((table) => tables.has(table));
}

/** Lists the tables with more than 1,000 rows. The superuser must run this query, after ANALYZE. */
export const LARGE_TABLES = `
SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples > 1000`;
